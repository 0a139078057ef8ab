"""Running out of memory has a code; other faults stay what they are."""

import cv2
import numpy as np
import pytest
import torch

from services.common.errors import ProblemError
from services.talkinghead.memory import naming_out_of_memory

FAR_TOO_MUCH = 1 << 50


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.empty(FAR_TOO_MUCH, dtype=torch.uint8),
        lambda: np.empty(FAR_TOO_MUCH, np.uint8),
        lambda: bytearray(FAR_TOO_MUCH),
    ],
    ids=["torch", "numpy", "python"],
)
def test_it_is_named_whichever_library_ran_out(allocate):
    with pytest.raises(ProblemError) as caught, naming_out_of_memory():
        allocate()
    assert (caught.value.code, caught.value.kind.status) == ("out_of_memory", 507)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (lambda: torch.zeros(2) @ torch.zeros(3), RuntimeError),
        (lambda: cv2.resize(np.zeros((0, 0), np.uint8), (3, 3)), cv2.error),
        (lambda: int("x"), ValueError),
    ],
    ids=["torch", "opencv", "python"],
)
def test_other_faults_stay_what_they_are(fault, kind):
    with pytest.raises(kind), naming_out_of_memory():
        fault()


def test_a_problem_keeps_its_code():
    with pytest.raises(ProblemError) as caught, naming_out_of_memory():
        raise ProblemError("canceled", "bad_alloc is in its words, but that is not why it was raised")
    assert caught.value.code == "canceled"
