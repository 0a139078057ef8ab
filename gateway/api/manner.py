"""How a video is made: the form fields that every call takes which makes one."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import Depends, Form

from gateway.jobs.inputs import Rest
from services.talkinghead.schemas import Sampler, read_face


@dataclass(frozen=True)
class Manner:
    """Fields of the form; ``options()`` gives them as ``VideoInput`` takes them."""

    voice: Annotated[str | None, Form(max_length=64, description="who reads the text, see `/v1/voices`")] = None
    rate: Annotated[float, Form(ge=0.5, le=2.0, description="how fast the text is read")] = 1.0
    steps: Annotated[
        int | None,
        Form(ge=1, le=200, description="denoising steps: more is finer and slower; by default the model's own number"),
    ] = None
    sampler: Annotated[Sampler, Form(description="how to go from noise level to noise level")] = "ddim"
    draft: Annotated[
        bool | None,
        Form(description="of an imported model: begin with a geometric draft of each frame, not with noise"),
    ] = None
    progressive: Annotated[
        bool, Form(description="of an imported model: each frame is the reference of the next one")
    ] = False
    seed: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0
    face: Annotated[
        str | None,
        Form(
            description="which of several faces: its index from the left, `largest`, or a box `[x0, y0, x1, y1]` in "
            "pixels of the upright source",
            examples=["largest"],
        ),
    ] = None
    still: Annotated[bool, Form(description="no blink and no sway: nothing moves but the lower face")] = False
    rest: Annotated[
        Rest, Form(description="of a video that is longer than the speech: keep it (silent) or cut it off")
    ] = "keep"

    def options(self) -> dict[str, Any]:
        """Raises ``invalid_request`` where ``face`` is no choice."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return given | {"face": None if self.face is None else read_face(self.face)}


MannerFields = Annotated[Manner, Depends()]
