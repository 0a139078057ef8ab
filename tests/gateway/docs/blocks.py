"""The fenced blocks of a page."""

import re
from dataclasses import dataclass
from pathlib import Path

from services.common.settings import REPOSITORY

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks() -> list[Block]:
    """Of all pages, in order."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for fence in _FENCED.finditer(text):
            found.append(Block(page, text.count("\n", 0, fence.start()) + 1, fence[1], fence[2]))
    return found
