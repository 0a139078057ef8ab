"""One measured number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured number with its unit."""

    value: float
    unit: str
