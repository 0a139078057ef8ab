"""raconteur keys."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.access.keys import well_formed
from gateway.cli.main import app
from gateway.settings import gateway_settings


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("RACONTEUR_DATA_DIR", str(tmp_path / "data"))
    gateway_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["keys", *arguments])
    gateway_settings.cache_clear()


def test_a_key_is_made_listed_and_revoked(keys: Callable[..., Result]):
    made = json.loads(keys("create", "ann", "--scope", "read", "--days", "30", "--json").stdout)
    assert well_formed(made["key"])
    assert (made["owner"], made["scopes"], made["state"]) == ("ann", ["read"], "valid")

    (listed,) = json.loads(keys("list", "--json").stdout)["keys"]
    assert "key" not in listed and listed["id"] == made["id"]

    assert keys("revoke", made["id"]).exit_code == 0
    assert json.loads(keys("list", "--json").stdout)["keys"][0]["state"] == "revoked"
    assert keys("revoke", made["id"]).exit_code == 1
    assert "revoked" in keys("list").stdout


def test_only_the_key_is_on_standard_output(keys: Callable[..., Result]):
    done = keys("create", "bob")

    assert well_formed(done.stdout.strip())
    assert "read, write" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("create", ""), ("create", "x" * 65), ("create", "a", "--days", "0"), ("create", "a", "--scope", "root")],
)
def test_wrong_usage_is_exit_code_two(keys: Callable[..., Result], arguments: tuple[str, ...]):
    assert keys(*arguments).exit_code == 2
