"""Engineering verbs of the perception service: ``python -m services.perception bench PHOTO...``."""

import json
import resource
import statistics
import time
from pathlib import Path
from typing import Annotated

import typer

from services.common.stopwatch import Stopwatch
from services.perception.loading import load_perception
from services.perception.pipeline import Perception, Photo
from services.perception.schemas import StoryOptions
from services.perception.settings import perception_settings

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@cli.callback()
def verbs() -> None:
    """Keeps ``bench`` a verb of its own while it is the only one."""


@cli.command()
def bench(
    photos: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="pictures to read")],
    repeats: Annotated[int, typer.Option(min=1, help="warm runs of each photo; their median is printed")] = 3,
) -> None:
    """Seconds to load, and per photo cold and warm, in total and per stage; peak memory. One JSON object."""
    settings = perception_settings().model_copy(update={"memory_entries": 0})
    began = time.perf_counter()
    perception = load_perception(settings)
    load_s = time.perf_counter() - began
    rows = []
    for photo in photos:
        runs = [_run(perception, photo.read_bytes()) for _ in range(1 + repeats)]
        warm = [seconds for _, seconds in runs[1:]]
        rows.append(
            {
                "photo": photo.name,
                "people": runs[0][0],
                "cold_s": runs[0][1],
                "warm_s": {stage: round(statistics.median(run[stage] for run in warm), 4) for stage in warm[0]},
            }
        )
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "load_s": round(load_s, 3),
        "threads": settings.threads,
        "photos": rows,
        "peak_rss_mb": round(peak_mb, 1),
    }
    print(json.dumps(figures, indent=2))


def _run(perception: Perception, data: bytes) -> tuple[int, dict[str, float]]:
    """(people found, seconds per stage with ``read`` and ``total``)."""
    began = time.perf_counter()
    photo = Photo.read(data)
    read_s = time.perf_counter() - began
    story = perception.story(photo, StoryOptions(), Stopwatch())
    total_s = time.perf_counter() - began
    return len(story.people), {"read": round(read_s, 4), **story.timings_s, "total": round(total_s, 4)}


if __name__ == "__main__":
    cli()
