"""Houses to break. ``./run test -m chaos tests/chaos`` breaks them; a bare machine takes about ten minutes."""

from collections.abc import Callable, Iterator

import pytest

from tests.chaos.house import House, house
from tests.gateway.store.conftest import POSTGRES, empty

_TOLD: list[str] = []


@pytest.fixture(
    scope="session",
    params=[
        "sqlite",
        pytest.param(
            "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="RACONTEUR_TEST_POSTGRES names no database")
        ),
    ],
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    url = POSTGRES if request.param == "postgresql" else None
    if url:
        empty(url)
    with house(tmp_path_factory.mktemp(request.param), url) as made:
        yield made


@pytest.fixture
def place(built: House) -> House:
    """A house in which everything runs."""
    built.start()
    return built


@pytest.fixture
def recovered(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """Tells how long something took; all of it stands at the end of the run."""

    def tell(what: str, seconds: float) -> None:
        _TOLD.append(f"{seconds:7.1f} s  {what}  ({request.node.name})")

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _TOLD:
        terminalreporter.section("recovery")
        for line in _TOLD:
            terminalreporter.write_line(line)
