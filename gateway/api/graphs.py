"""/v1/graphs: a social graph -> a picture of it."""

from fastapi import APIRouter, Response

from gateway.api.problems import problems
from gateway.social_graph import SocialGraph, as_svg

router = APIRouter(prefix="/v1/graphs", tags=["photos"])


@router.post(
    "",
    summary="Draw a social graph",
    response_class=Response,
    responses=problems() | {200: {"content": {"image/svg+xml": {}}, "description": "the graph as SVG"}},
)
async def draw(graph: SocialGraph) -> Response:
    """The `graph` that `/v1/relations` answered, as an SVG.

    `curl -F photo=@photo.jpg http://127.0.0.1:8000/v1/relations | jq .graph | curl -H 'Content-Type: application/json'
    -d @- http://127.0.0.1:8000/v1/graphs`
    """
    return Response(as_svg(graph), media_type="image/svg+xml")
