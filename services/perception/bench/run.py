"""All figures of ``python -m services.perception bench``, each with its unit."""

import hashlib
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from services.common.stopwatch import Stopwatch
from services.perception.bench.pictures import of_people
from services.perception.bench.truth import load_truth, measure
from services.perception.loading import load_perception
from services.perception.pipeline import Perception, Photo
from services.perception.schemas import StoryOptions
from services.perception.segment.masks import Pixels
from services.perception.settings import PerceptionSettings

COUNTS: Final = (1, 4, 10)
Figures = dict[str, dict[str, float | str]]


@dataclass
class Report:
    """``figures``: name -> value and unit; ``wrong`` and ``without_record`` name each case."""

    figures: Figures = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    without_record: list[str] = field(default_factory=list)

    def note(self, name: str, value: float, unit: str) -> None:
        self.figures[name] = {"value": round(value, 4), "unit": unit}


def bench(settings: PerceptionSettings, repeats: int, *, published: bool, tell: Callable[[str], None]) -> Report:
    """Seconds and memory first, before torch is there; then the truth; then, if asked for, the published way."""
    report = Report()
    began = time.perf_counter()
    perception = load_perception(settings.model_copy(update={"memory_entries": 0}))
    report.note("load", time.perf_counter() - began, "s")
    report.note("threads", settings.threads, "")
    report.note("busy", os.getloadavg()[0], "processes that ran in the last minute")
    for count in COUNTS:
        tell(f"{count} people")
        _time(report, perception, count, repeats)
    report.note("peak_rss", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
    tell("truth")
    _judge(report, perception)
    if published:
        tell("the published way, half a minute of a processor")
        _compare(report, perception)
    return report


def _time(report: Report, perception: Perception, count: int, repeats: int) -> None:
    pixels = of_people(count)
    photo = Photo(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), [])
    runs = [_run(perception, photo) for _ in range(1 + repeats)]
    name = f"people_{count}"
    report.note(f"{name}.found", runs[0][0], "people")
    report.note(f"{name}.cold", runs[0][1]["total"], "s")
    for stage in runs[0][1]:
        report.note(f"{name}.{stage}", statistics.median(run[stage] for _, run in runs[1:]), "s")


def _run(perception: Perception, photo: Photo) -> tuple[int, dict[str, float]]:
    """(people found, seconds per stage with ``total`` and, comparable on a busy machine, ``cpu``)."""
    began, began_cpu = time.perf_counter(), time.process_time()
    story = perception.story(photo, StoryOptions(), Stopwatch())
    spent = {"total": time.perf_counter() - began, "cpu": time.process_time() - began_cpu}
    return len(story.people), story.timings_s | spent


def _judge(report: Report, perception: Perception) -> None:
    tally = measure(perception, load_truth())
    report.note("truth.photos", len(tally.photos), "photos")
    report.note("truth.pictures", tally.pictures, "pictures: the photos, and parts of them")
    report.note("truth.people", tally.people, "people")
    report.note("truth.found", tally.found, "people")
    report.note("truth.invented", tally.invented, "people")
    report.note("truth.answers", tally.answers, "answers")
    report.note("truth.wrong", len(tally.wrong), "answers")
    report.note("truth.sentences", tally.sentences, "sentences")
    report.note("truth.without_record", len(tally.without_record), "sentences")
    report.wrong, report.without_record = tally.wrong, tally.without_record


def _compare(report: Report, perception: Perception) -> None:
    from services.perception.bench.compare import compare  # noqa: PLC0415 - torch, of the extra "vision"

    pixels: Pixels = of_people(4)
    found = compare(pixels, perception.detector(pixels))
    for step, costs in (("segment", found.segment), ("ask", found.ask), ("whole", found.whole())):
        for way, cost in zip(("published", "ours"), costs, strict=True):
            report.note(f"way.{step}.{way}", cost.cpu_s, "s of processor")
            report.note(f"way.{step}.{way}.encodings", cost.encodings, "pictures")
            report.note(f"way.{step}.{way}.calls", cost.calls, "calls of networks")
        report.note(f"way.{step}.ratio", costs[0].cpu_s / costs[1].cpu_s, "times as fast")
    report.note("way.same_answers", found.same, "of the people's answers")
