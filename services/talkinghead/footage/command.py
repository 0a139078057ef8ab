"""`prepare`: sources in, a set out, with its report and contact sheet."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2

from services.talkinghead.difftalk.configuration import SpeechFeatures
from services.talkinghead.footage import release, video
from services.talkinghead.footage.features import WithFeatures, load_extractor
from services.talkinghead.footage.made import Account
from services.talkinghead.footage.prepare import Maker, Piece, prepare, write_whole
from services.talkinghead.footage.report import SHEET, contact_sheet, in_words, report
from services.talkinghead.footage.takes import by_list, find_takes, people_of_list, split_by_hash
from services.talkinghead.settings import TalkingHeadSettings
from services.talkinghead.speech.features.extractor import FeatureExtractor

REPORT: Final = "report.json"
REPORT_IN_WORDS: Final = "report.txt"

_SHEET_QUALITY: Final = 88


@dataclass(frozen=True)
class SetOptions:
    """What real and rendered footage have in common."""

    out: Path
    square_px: int
    speech_features: SpeechFeatures
    """`actions` are in every set; another kind is put beside them."""
    speech_encoder: Path | None
    workers: int
    tell: Callable[[int, int, Account], None]


def prepare_videos(
    sources: Sequence[Path], train_list: Path | None, options: SetOptions, settings: TalkingHeadSettings
) -> dict[str, Any]:
    """Returns the report. Raises TakesError, ValueError (features), PrepareError."""
    listed = None if train_list is None else people_of_list(train_list)
    releases = [source for source in sources if release.is_release(source)]
    pieces = [piece for folder in releases for piece in release.plan(folder)]
    pieces += [
        Piece(take.name, split_by_hash(take.identity) if listed is None else by_list(take.identity, listed), take)
        for take in video.plan(find_takes([source for source in sources if source not in releases]))
    ]
    told = {"made_of": "videos", "train_list": None if listed is None else sorted(listed)}
    load = partial(video.VideoMaker.load, settings.weights_dir, settings.profile, options.square_px)
    return _prepare(pieces, load, told, options, settings)


def prepare_rendered(
    people: int, assets: Path, seed: int, options: SetOptions, settings: TalkingHeadSettings
) -> dict[str, Any]:
    """Returns the report. Raises ValueError (people come in tens), ImportError (needs the extra), PrepareError."""
    from services.talkinghead.synthetic import make  # noqa: PLC0415 - needs the extra "synthetic"

    load = partial(make.HeadMaker.load, assets, settings.weights_dir, settings.profile, options.square_px, seed)
    return _prepare(make.plan(people), load, {"made_of": "rendered people", "seed": seed}, options, settings)


def _prepare(
    pieces: list[Piece],
    load: Callable[[], Maker],
    told: Mapping[str, Any],
    options: SetOptions,
    settings: TalkingHeadSettings,
) -> dict[str, Any]:
    out, kind = options.out, options.speech_features
    if kind != "actions":
        hear = partial(load_extractor, kind, options.speech_encoder, settings.weights_dir, settings.profile)
        hear()  # what is wrong with it is told here, not by a worker
        load = partial(_load_with_features, load, hear)
    accounts = prepare(
        pieces,
        out,
        load,
        settings={**told, "square_px": options.square_px, "speech_features": kind},
        workers=options.workers,
        tell=options.tell,
    )
    summary = {"output": str(out), **report(accounts)}
    write_whole(out / REPORT, json.dumps(summary, indent=1, ensure_ascii=False).encode())
    write_whole(out / REPORT_IN_WORDS, (in_words(summary) + "\n").encode())
    sheet = cv2.cvtColor(contact_sheet(out), cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode(".jpg", sheet, (cv2.IMWRITE_JPEG_QUALITY, _SHEET_QUALITY))
    write_whole(out / SHEET, jpeg.tobytes())
    return summary


def _load_with_features(load: Callable[[], Maker], hear: Callable[[], FeatureExtractor]) -> Maker:
    return WithFeatures(load(), hear())
