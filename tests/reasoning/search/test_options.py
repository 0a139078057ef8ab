import inspect

import pytest

from services.common.errors import ProblemError
from services.reasoning.__main__ import search
from services.reasoning.schemas import SearchOptions
from services.reasoning.search.options import search_options


def test_the_command_takes_every_option_of_a_search_with_the_same_default():
    taken = inspect.signature(search).parameters
    assert {name: taken[name].default for name in SearchOptions.model_fields} == SearchOptions().model_dump()


def test_a_wrong_option_is_named_with_its_value():
    with pytest.raises(ProblemError, match=r"alpha: .* \(it was 2\)"):
        search_options(alpha=2)
