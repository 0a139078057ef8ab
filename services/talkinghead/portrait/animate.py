"""A portrait and prepared speech -> frames in which its face talks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from services.common.stopwatch import Stopwatch
from services.talkinghead.alive.blink import closing
from services.talkinghead.alive.sway import pose
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.motion import target_landmarks
from services.talkinghead.draft.warp import Bytes, Canvas, Motion
from services.talkinghead.face_maker import FaceMaker
from services.talkinghead.models import Models
from services.talkinghead.paste import refinement_gain
from services.talkinghead.portrait.analyse import Portrait


def animate(
    models: Models,
    portrait: Portrait,
    speech: PreparedSpeech,
    maker: FaceMaker,
    watch: Stopwatch,
) -> Iterator[Bytes]:
    """(H, W, 3) RGB frames of the segment, one by one, at the portrait's own size."""
    options, check = maker.options, maker.check
    first, last = options.first_frame, options.first_frame + options.frames
    # 1. Facial actions -> where the landmarks go
    targets = target_landmarks(portrait.landmarks, speech.actions_between(first, last), models.action_basis)
    gains = [refinement_gain(portrait.landmarks, target) for target in targets]
    active = [number for number, gain in enumerate(gains) if gain > 0]

    # 2. Geometric drafts of the frames that move, in the face square
    motions: dict[int, Motion | None] = {}
    drafts: Bytes | None = None
    if maker.drafts:
        with watch.stage("draft"):
            drafts = np.empty((len(active), *portrait.face.shape), np.uint8)
            square = Canvas.of_square(maker.square_px)
            for place, number in enumerate(active):
                check()
                motions[number] = portrait.warp.motion(targets[number])
                drafts[place] = portrait.warp.draw(portrait.face, square, motions[number])

    # 3. DiffTalk makes what no bending can show (teeth, tongue, shade), or the lower face from nothing
    faces: dict[int, NDArray[np.generic]] = {}
    if active:
        with watch.stage("refine"):
            windows = speech.windows_between(first, last)[active]
            faces = dict(zip(active, maker.make(portrait.latents, drafts, windows, targets[active]), strict=True))
        if drafts is not None:
            for draft, number in zip(drafts, active, strict=True):
                faces[number] = maker.lit(faces[number], draft, portrait.warp, motions[number], portrait.light)

    # 4. The portrait itself, bent at full resolution, with what was made; then the head blinks and sways
    closed, poses = closing(first, last, options.seed), pose(first, last, options.seed)
    for number, gain in enumerate(gains):
        check()
        with watch.stage("paste"):
            frame = portrait.warp.draw(portrait.pixels, portrait.canvas, motions.get(number))
            if gain > 0:
                maker.paste(frame, faces[number], portrait.canvas, gain)
        if not options.still:
            with watch.stage("alive"):
                for lid in portrait.lids:
                    lid.close(frame, float(closed[number]))
                portrait.sway.move(frame, poses[number])
        yield frame
