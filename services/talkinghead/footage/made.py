"""What a worker makes of one piece, and its account of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from services.talkinghead.footage.clip import Clip
from services.talkinghead.footage.shard import Split


@dataclass(frozen=True)
class Account:
    """What became of one piece; kept beside the shards, so that a run that was stopped goes on behind it."""

    piece: str
    source: str
    identity: str
    seen_s: float = 0.0
    kept_s: float = 0.0
    left_out_s: dict[str, float] = field(default_factory=dict)
    """Seconds by reason."""
    refused: str | None = None
    """Why nothing at all could be made of it."""
    sound_lag_s: float = 0.0
    """By how much the sound was late in the source, and was shifted."""
    agreement: float | None = None
    """Correlation of lips seen and heard at this lag."""
    split: Split = "train"
    clips: int = 0
    people: Sequence[str] = ()
    """Identities in the clips."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Made:
    """The clips of one shard."""

    clips: list[Clip]
    account: Account
