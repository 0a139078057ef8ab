"""A portrait and prepared speech -> frames in which its face talks."""

from collections.abc import Callable, Iterator

import numpy as np

from services.talkinghead.alive.blink import closing
from services.talkinghead.alive.sway import pose
from services.talkinghead.container import PreparedSpeech
from services.talkinghead.draft.lips import Floats
from services.talkinghead.draft.motion import target_landmarks
from services.talkinghead.draft.warp import Bytes, Canvas, Motion
from services.talkinghead.face.square import SQUARE_PX
from services.talkinghead.models import Models
from services.talkinghead.paste import paste_change, refinement_gain
from services.talkinghead.portrait.analyse import Portrait
from services.talkinghead.schemas import SegmentOptions
from services.talkinghead.stopwatch import Stopwatch


def animate(
    models: Models,
    portrait: Portrait,
    speech: PreparedSpeech,
    options: SegmentOptions,
    *,
    check: Callable[[], None],
    watch: Stopwatch,
) -> Iterator[Bytes]:
    """(H, W, 3) RGB frames of the segment, one by one, at the portrait's own size."""
    first, last = options.first_frame, options.first_frame + options.frames
    # 1. Facial actions -> where the landmarks go
    targets = target_landmarks(portrait.landmarks, speech.actions_between(first, last), models.action_basis)
    gains = [refinement_gain(portrait.landmarks, target) for target in targets]
    active = [number for number, gain in enumerate(gains) if gain > 0]

    # 2. Geometric drafts of the frames that move, in the face square
    with watch.stage("draft"):
        motions: dict[int, Motion | None] = {}
        drafts = np.empty((len(active), SQUARE_PX, SQUARE_PX, 3), np.uint8)
        square = Canvas.of_square(SQUARE_PX)
        for place, number in enumerate(active):
            check()
            motions[number] = portrait.warp.motion(targets[number])
            drafts[place] = portrait.warp.draw(portrait.face, square, motions[number])

    # 3. DiffTalk repairs what no bending can show: teeth, tongue, shade
    changes: dict[int, Floats] = {}
    if active:
        with watch.stage("refine"):
            refined = models.difftalk.refine(
                portrait.latents,
                drafts,
                speech.windows_between(first, last)[active],
                targets[active],
                steps=options.steps,
                seed=options.seed,
                on_step=lambda _done, _of: check(),
            )
        changes = dict(zip(active, refined, strict=True))

    # 4. The portrait itself, bent at full resolution, plus the change; then the head blinks and sways
    closed, poses = closing(first, last, options.seed), pose(first, last, options.seed)
    for number, gain in enumerate(gains):
        check()
        with watch.stage("paste"):
            frame = portrait.warp.draw(portrait.pixels, portrait.canvas, motions.get(number))
            if gain > 0:
                paste_change(frame, changes[number], portrait.canvas, gain)
        if not options.still:
            with watch.stage("alive"):
                for lid in portrait.lids:
                    lid.close(frame, float(closed[number]))
                portrait.sway.move(frame, poses[number])
        yield frame
