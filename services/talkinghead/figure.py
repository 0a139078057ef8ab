"""One measured number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    value: float
    unit: str
