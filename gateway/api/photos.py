"""How a photo and its JSON form fields arrive."""

import json
from typing import Annotated, Any, Final

from fastapi import File, Form, UploadFile
from starlette import datastructures
from starlette.concurrency import run_in_threadpool

from gateway.media import HEAD_BYTES, is_image, sniff
from services.common.errors import ProblemError

PhotoFile = Annotated[UploadFile, File(description="JPEG, PNG, WebP, GIF (its first frame), BMP or TIFF")]
BoxesField = Annotated[
    str | None,
    Form(
        description="people's boxes as JSON [[x0, y0, x1, y1], ...] in pixels of the upright photo; P1 is the first",
        examples=["[[20, 30, 180, 400], [210, 40, 380, 410]]"],
    ),
]
OmitField = Annotated[
    str | None,
    Form(description="answers to leave out, as JSON: age, gender", examples=['["age", "gender"]']),
]
BlurField = Annotated[bool, Form(description="find people, then hide their faces before anything else is done")]

PHOTO_PROBLEMS: Final = ("unsupported_media", "too_large", "overloaded", "service_unavailable", "model_unavailable")


async def read_photo(photo: datastructures.UploadFile) -> bytes:
    """The photo's bytes. Raises ``unsupported_media`` where they are no picture."""
    content = await run_in_threadpool(photo.file.read)
    media_type = sniff(content[:HEAD_BYTES])
    if media_type is None or not is_image(media_type):
        told = media_type or ("empty" if not content else "no known media")
        raise ProblemError("unsupported_media", f"photo: the file is {told}; it must be a picture", param="photo")
    return content


def json_field(name: str, text: str | None) -> Any:
    """The value of a form field that holds JSON; None where it was left out. Raises ``invalid_request``."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise ProblemError("invalid_request", f"{name}: {shown!r} is not JSON: {error}", param=name) from None
