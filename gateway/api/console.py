"""/ and /console/...: the web page. It calls the public API and nothing else; there is nothing secret in it."""

import mimetypes
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse

from services.common.errors import ProblemError
from services.common.settings import REPOSITORY

_PAGE: Final = Path(__file__).parents[1] / "console"
_EXAMPLES: Final = REPOSITORY / "examples"

FILES: Final = {
    f"/console/{path.relative_to(root.parent if root is _EXAMPLES else root)}": path
    for root in (_PAGE, _EXAMPLES)
    for path in sorted(root.rglob("*"))
    if path.is_file() and path.suffix != ".md"
} | {"/": _PAGE / "index.html"}
"""Path of the URL -> file. What is not listed here is not served, whatever its name looks like."""

_HEADERS: Final = {
    # Only what this origin serves runs here; pictures and films may also be the user's own, before they are sent.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> FileResponse:
    """The console."""
    return _file("/")


@router.get("/console/{path:path}")
async def part(path: str) -> FileResponse:
    """Scripts, styles and example inputs of the console."""
    return _file(f"/console/{path}")


def _file(path: str) -> FileResponse:
    if path not in FILES:
        raise ProblemError("not_found", f"{path} is no part of the console")
    kind, _ = mimetypes.guess_type(path if path != "/" else "index.html")
    return FileResponse(FILES[path], media_type=kind, headers=_HEADERS)
