"""What a reader is told in the code and in the API's documents; ruff looks at functions and classes (D101, D103)."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.app import build_app
from services.common.settings import REPOSITORY
from services.perception.app import app as perception
from services.reasoning.app import app as reasoning
from services.talkinghead.app import app as talkinghead

LONGEST_UNTOLD_LINES = 3
"""A method this short says itself what it does."""

UNITS = ("_s", "_ms", "_px", "_hz", "_bytes", "_db", "fps")

DOCUMENTS = {
    "gateway": build_app().openapi(),
    "perception": perception.openapi(),
    "reasoning": reasoning.openapi(),
    "talkinghead": talkinghead.openapi(),
}
HTTP_METHODS = ("get", "post", "put", "delete")


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for root in ("gateway", "services"):
        for path in sorted((REPOSITORY / root).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield str(path.relative_to(REPOSITORY)), node


def methods(of: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in of.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


def test_a_method_that_does_not_say_itself_what_it_does_is_told():
    """What carries out a port is told where the port is."""
    known = list(classes())
    ports = {
        method.name
        for _, port in known
        if any(ast.unparse(base).split("[")[0] in ("Protocol", "ABC") for base in port.bases)
        for method in methods(port)
        if ast.get_docstring(method)
    }
    untold = [
        f"{path}:{method.lineno} {one.name}.{method.name}"
        for path, one in known
        for method in methods(one)
        if method.name not in ports
        and not ast.get_docstring(method)
        and (method.end_lineno or 0) - method.body[0].lineno >= LONGEST_UNTOLD_LINES
    ]
    assert {"look", "label_logprobs", "blocks"} <= ports
    assert not untold


def operations(part: str) -> list[tuple[str, dict[str, Any]]]:
    paths = DOCUMENTS[part]["paths"]
    return [
        (f"{method.upper()} {path}", told)
        for path, methods in paths.items()
        for method, told in methods.items()
        if method in HTTP_METHODS
    ]


@pytest.mark.parametrize("part", DOCUMENTS)
def test_every_endpoint_tells_what_it_does(part: str):
    untold = [name for name, told in operations(part) if not told.get("summary") or not told.get("description")]
    assert len(operations(part)) > 3
    assert not untold


def test_every_call_of_the_public_api_tells_how_it_may_be_refused():
    silent = [
        name
        for name, told in operations("gateway")
        if name.split()[1].startswith("/v1/")
        and not any("application/problem+json" in answer.get("content", {}) for answer in told["responses"].values())
    ]
    assert not silent


@pytest.mark.parametrize("part", DOCUMENTS)
def test_every_number_tells_its_unit_or_what_it_is(part: str):
    """By its name (``_s``, ``_px``, ...), by its range (a share), or in words; whole numbers count something."""
    schemas = DOCUMENTS[part].get("components", {}).get("schemas", {})
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, told in schema.get("properties", {}).items()
        if any(kind.get("type") == "number" for kind in [told, *told.get("anyOf", [])])
        and not field.endswith(UNITS)
        and "description" not in told
        and not any("maximum" in kind or "exclusiveMaximum" in kind for kind in [told, *told.get("anyOf", [])])
    ]
    assert not bare
