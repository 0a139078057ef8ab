"""/v1/overlays: photo -> the photo with its people and things marked."""

from fastapi import APIRouter, Response

from gateway.api.parts import PartsDep, RequestId
from gateway.api.photos import PHOTO_PROBLEMS, BlurField, BoxesField, PhotoFile, json_field, read_photo
from gateway.api.problems import problems
from gateway.api.stories import photo_options

router = APIRouter(prefix="/v1/overlays", tags=["photos"])


@router.post(
    "",
    summary="Mark who and what is in a photo",
    response_class=Response,
    responses=problems("no_person", *PHOTO_PROBLEMS)
    | {200: {"content": {"image/png": {}}, "description": "the photo with masks, boxes and symbols"}},
)
async def mark(
    photo: PhotoFile,
    parts: PartsDep,
    request_id: RequestId,
    *,
    boxes: BoxesField = None,
    blur_faces: BlurField = False,
) -> Response:
    """A PNG of the upright photo with masks, boxes and symbols, those of `/v1/stories`. Nothing is kept.

    `curl -F photo=@photo.jpg -o marked.png http://127.0.0.1:8000/v1/overlays`
    """
    options = photo_options(json_field("boxes", boxes), blur_faces=blur_faces)
    content = await parts.perception.overlay(await read_photo(photo), options, request_id)
    return Response(content, media_type="image/png")
