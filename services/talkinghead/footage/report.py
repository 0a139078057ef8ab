"""What a prepared set holds and what was left out of it, for programs and for people; and a sheet to look at."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from services.talkinghead.footage.clip import Bytes
from services.talkinghead.footage.made import Account
from services.talkinghead.footage.shard import Footage, FootageError, StoredClip

SHEET: Final = "contact-sheet.jpg"

_TILE_PX: Final = 96
_SHOWN: Final = 4  # pictures of a person
_ACROSS: Final = 4  # people in a row
_MOST_PEOPLE: Final = 80
_LATE_S: Final = 0.06
"""A lag that is worth telling: one and a half frames."""


def report(accounts: Sequence[Account]) -> dict[str, Any]:
    """Totals of all pieces."""
    left_out: Counter[str] = Counter()
    for account in accounts:
        left_out.update(account.left_out_s)
    return {
        "sources": len({account.source for account in accounts}),
        "seen_s": round(sum(account.seen_s for account in accounts), 1),
        "kept_s": round(sum(account.kept_s for account in accounts), 1),
        "parts": {
            split: {
                "clips": sum(account.clips for account in accounts if account.split == split),
                "people": len({who for account in accounts if account.split == split for who in account.people}),
                "kept_s": round(sum(account.kept_s for account in accounts if account.split == split), 1),
            }
            for split in ("train", "test")
        },
        "left_out_s": {reason: round(seconds, 1) for reason, seconds in left_out.most_common()},
        "refused": [
            {"piece": account.piece, "reason": account.refused} for account in accounts if account.refused is not None
        ],
        "sound_shifted": [
            {"piece": account.piece, "late_s": account.sound_lag_s}
            for account in accounts
            if abs(account.sound_lag_s) >= _LATE_S
        ],
    }


def in_words(told: dict[str, Any]) -> str:
    """The report as lines of text."""
    seen_s, kept_s = told["seen_s"], told["kept_s"]
    lines = [f"{told['sources']} sources, {_time(seen_s)} seen, {_time(kept_s)} kept ({_share(kept_s, seen_s)})"]
    lines += [
        f"{split}: {part['clips']} clips of {part['people']} people, {_time(part['kept_s'])}"
        for split, part in told["parts"].items()
    ]
    if not told["parts"]["test"]["clips"]:
        lines.append("nobody is in the test part: it takes one in ten; give more people, or name those to train on")
    if told["left_out_s"]:
        lines.append("left out:")
        lines += [f"  {_time(s)} ({_share(s, seen_s)})  {reason}" for reason, s in told["left_out_s"].items()]
    if told["refused"]:
        lines.append("refused:")
        lines += [f"  {each['reason']}" for each in told["refused"]]
    if told["sound_shifted"]:
        lines.append("sound that came late (early: negative) was shifted:")
        lines += [f"  {each['late_s']:+.2f} s  {each['piece']}" for each in told["sound_shifted"]]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "nothing"


def contact_sheet(out: Path) -> Bytes:
    """Four pictures of each person, from shut lips to open ones: (rows, columns, 3) RGB."""
    clips: dict[str, StoredClip] = {}
    for split in ("train", "test"):
        try:
            for clip in Footage(out, split):
                clips.setdefault(clip.identity, clip)
        except FootageError:
            continue  # this part is empty
    chosen = [clips[who] for who in _spread(sorted(clips), _MOST_PEOPLE)]
    if not chosen:
        return np.zeros((_TILE_PX, _ACROSS * _SHOWN * _TILE_PX, 3), np.uint8)
    people = [_row_of(clip) for clip in chosen]
    people += [np.zeros_like(people[0])] * (-len(people) % _ACROSS)
    rows = [np.concatenate(people[n : n + _ACROSS], axis=1) for n in range(0, len(people), _ACROSS)]
    return np.concatenate(rows)


def _spread(names: list[str], most: int) -> list[str]:
    return [names[n] for n in np.linspace(0, len(names) - 1, min(most, len(names))).round().astype(int)]


def _row_of(clip: StoredClip) -> Bytes:
    opening = np.linalg.norm(clip.landmarks[:, 66] - clip.landmarks[:, 62], axis=1)
    by_opening = np.argsort(opening, kind="stable")
    places = by_opening[np.linspace(0, len(by_opening) - 1, _SHOWN).round().astype(int)]
    return np.concatenate(
        [cv2.resize(square, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA) for square in clip.pictures(places)],
        axis=1,
    )
