"""Sample videos in TensorBoard's log: a GIF among its pictures."""

import io
from typing import Final

import numpy as np
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from services.talkinghead.difftalk.audio_encoder import windows_between
from services.talkinghead.difftalk.configuration import DiffTalkConfiguration
from services.talkinghead.difftalk.denoiser import Denoiser
from services.talkinghead.difftalk.first_stage import FirstStage
from services.talkinghead.difftalk.pipeline import DiffTalk
from services.talkinghead.difftalk.published import PublishedDiffTalk
from services.talkinghead.draft.warp import warp_square
from services.talkinghead.footage.shard import StoredClip
from services.talkinghead.speech.actions import FPS
from services.talkinghead.training.clips import Bytes, Floats, heard
from services.talkinghead.training.configuration import DenoiserSettings

_FRAMES: Final = 25
_STEPS: Final = 4
_PUBLISHED_STEPS: Final = 20
_SEED: Final = 0


def film_of(
    clip: StoredClip,
    sizes: DiffTalkConfiguration,
    settings: DenoiserSettings,
    denoiser: Denoiser,
    first_stage: FirstStage,
) -> Bytes:
    """(N, S, 3 S, 3): the clip's first second, its first frame or drafts made of it, and what the model makes."""
    numbers = np.arange(min(_FRAMES, len(clip)))
    truth, points, places = clip.pictures(numbers), clip.landmarks[numbers], clip.places[numbers]
    features = heard(clip, sizes.speech_features)
    audio = np.concatenate([windows_between(features, int(place), int(place) + 1) for place in places])
    source = truth[0]
    drafts = np.stack([warp_square(source, points[0], each) for each in points]) if settings.draft else None
    shown = np.repeat(source[None], len(truth), 0) if drafts is None else drafts
    if sizes.refines_draft:
        assert drafts is not None  # noqa: S101 - the configuration sees to it
        refining = DiffTalk(sizes, denoiser, first_stage)
        latents = refining.encode_source(source, points[0])
        change = refining.refine(latents, drafts, audio, points, steps=_STEPS, seed=_SEED)
        made = np.clip(np.rint(drafts + change), 0, 255).astype(np.uint8)
    else:
        published = PublishedDiffTalk(sizes, denoiser, first_stage)
        units = _in_units(points, sizes.square_px)
        squares = published.refine(
            published.encode_source(source, units[0]), drafts, audio, units, steps=_PUBLISHED_STEPS, seed=_SEED
        )
        mask = published.mask[..., None]
        made = np.rint(shown + mask * (squares.astype(np.float32) - shown)).astype(np.uint8)
    return np.concatenate([truth, shown, made], axis=2)


def _in_units(points: Floats, square_px: int) -> Floats:
    """Landmarks in the square's pixels -> in those of the 128 px square."""
    return ((points + 0.5) * np.float32(128 / square_px) - 0.5).astype(np.float32)


def put_film(writer: SummaryWriter, name: str, film: Bytes, step: int) -> None:
    """``film`` (N, H, W, 3). `SummaryWriter.add_video` would do the same by way of moviepy."""
    first, *others = [Image.fromarray(frame) for frame in film]
    data = io.BytesIO()
    first.save(data, "GIF", save_all=True, append_images=others, duration=1000 // FPS, loop=0)
    height, width = film.shape[1:3]
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data.getvalue())
    assert writer.file_writer is not None  # noqa: S101 - it is open
    writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=image)]), step)
