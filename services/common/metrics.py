"""What the services count beside their requests; `/metrics` shows it.

Names follow Prometheus' rules: seconds, bytes, `_total` for what only grows.
"""

from typing import Final

from prometheus_client import Counter, Histogram

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

STAGE_SECONDS = Histogram("raconteur_stage_seconds", "Time in one stage of a request", ["stage"], buckets=_SECONDS)
CACHE_LOOKUPS = Counter("raconteur_cache_lookups_total", "Was something kept from before?", ["cache", "found"])
FRAMES = Counter("raconteur_video_frames_total", "Frames of talking videos that were made")
UNET_CALLS = Counter("raconteur_unet_calls_total", "Calls of the denoiser; each takes a batch one step on")
BATCH_FRAMES = Histogram(
    "raconteur_unet_batch_frames", "Frames of one call of the denoiser", buckets=(1, 2, 3, 4, 5, 8, 12, 16, 24, 32)
)


def looked_up(cache: str, *, found: bool) -> None:
    """Count one look into ``cache``. Both answers are shown from the first look on: a share of hits needs both."""
    yes, no = CACHE_LOOKUPS.labels(cache, "yes"), CACHE_LOOKUPS.labels(cache, "no")
    (yes if found else no).inc()
