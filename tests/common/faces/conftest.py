from pathlib import Path

import pytest

from services.common.faces import FaceFinder

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def finder() -> FaceFinder:
    return FaceFinder.load(REPOSITORY / "weights", threads=1)
