import pytest

from services.common.settings import REPOSITORY
from services.talkinghead.evaluation.judges import Judges


@pytest.fixture(scope="session")
def judges() -> Judges:
    """The models that measure, as they ship."""
    return Judges.load(REPOSITORY / "weights", threads=1, profile="tiny")
