"""What the commands print for people, and which keys they print for programs."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.client import Json
from gateway.processes import StartError
from services.common.errors import ProblemError

OUT: Final = Console(highlight=False)
TOLD: Final = Console(stderr=True, highlight=False)
"""Progress, warnings and errors; standard output holds the answer alone."""

_BAR_WIDTH: Final = 30
_PERSON_KEYS: Final = ("symbol", "box", "score", "attributes")
_OBJECT_KEYS: Final = ("symbol", "box", "name", "score")
_RELATION_KEYS: Final = ("pair", "label", "coarse", "probabilities", "abstained", "explanation", "evidence")

_HINTS: Final = {
    "no_person": "use a photo that shows people, or give their boxes with --boxes",
    "one_person": "use a photo that shows two or more people, or give their boxes with --boxes",
    "unknown_person": "raconteur story PHOTO lists the symbols",
    "no_face": "use a portrait that looks at the camera",
    "several_faces": "choose one with --face: 0 is the leftmost, largest, or a box x0,y0,x1,y1",
    "face_too_small": "crop the portrait around the face or use a larger picture",
    "audio_silent": "record again, nearer to the microphone",
    "audio_too_long": "cut the speech",
    "unsupported_media": "use JPEG, PNG or WebP for pictures, MP4, MOV or WebM for videos, WAV, MP3 or M4A for speech",
    "service_unavailable": "is the stack running? its logs are in the folder logs of the data folder",
    "consent_missing": "raconteur talk --subject 'Ann Lee' --consent self, or --consent written --reference 'form 12'",
    "unauthorized": "set RACONTEUR_API_KEY; raconteur keys create makes a key",
    "forbidden": "use a key with another scope; raconteur keys create makes one",
    "overloaded": "try again in a moment",
}


@contextmanager
def reporting() -> Iterator[None]:
    """A problem ends the command with one line and exit code 1."""
    try:
        yield
    except ProblemError as error:
        hint = _HINTS.get(error.code)
        TOLD.print(f"[bold red]{error.code}[/]: {escape(error.detail)}" + (f" [dim]({hint})[/]" if hint else ""))
        raise typer.Exit(1) from None
    except StartError as error:
        TOLD.print(f"[bold red]not started[/]: {escape(str(error))}")
        raise typer.Exit(1) from None


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A moving line with the time passed, for a call whose length is not known."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=TOLD, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def follow(jobs: Iterable[Json]) -> Json:
    """Show a job's progress until it is finished -> the job. Raises its problem where it did not succeed."""
    columns = TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %")
    job: Json = {}
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]}"), console=TOLD) as progress:
        bar = progress.add_task("waiting", total=1.0, left="")
        for job in jobs:
            left = "" if job["eta_s"] is None else f"about {job['eta_s']:.0f} s left"
            progress.update(bar, completed=job["progress"], description=job["stage"], left=left)
    if job["status"] == "succeeded":
        return job
    error = job["error"] or {"code": "canceled", "message": f"job {job['id']} was canceled", "param": None}
    raise ProblemError.from_json(error | {"detail": error["message"]})


def story_json(answer: Json) -> Json:
    """The keys of ``raconteur story --json``."""
    return {
        "width": answer["width"],
        "height": answer["height"],
        "people": [_only(person, _PERSON_KEYS) for person in answer["people"]],
        "objects": [_only(thing, _OBJECT_KEYS) for thing in answer["objects"]],
        "story": answer["story"],
        "warnings": answer["warnings"],
    }


def relations_json(answer: Json) -> Json:
    """The keys of ``raconteur relate --json``."""
    relations = [_only(relation, _RELATION_KEYS) for relation in answer["relations"]]
    return story_json(answer) | {"relations": relations} | _only(answer, ("taxonomy", "prompt", "model"))


def video_json(job: Json, path: str) -> Json:
    """The keys of ``raconteur talk --json``."""
    facts = _only(job["output"], ("width", "height", "fps", "frames", "duration_s"))
    told = {"warnings": job["warnings"], "timings": job["output"]["timings_s"]}
    return {"job": job["id"], "output": path} | facts | told


def print_story(answer: Json) -> None:
    OUT.print(escape(answer["story"]))
    _warn(answer["warnings"])


def print_relations(answer: Json) -> None:
    """Per pair: label, a bar for each probability, explanation."""
    print_story(answer)
    for relation in answer["relations"]:
        first, second = relation["pair"]
        verdict = "not sure" if relation["abstained"] else relation["label"]
        OUT.print(f"\n[bold]{first} and {second}: {escape(verdict)}[/]")
        table = Table.grid(padding=(0, 2))
        for label, share in sorted(relation["probabilities"].items(), key=lambda entry: -entry[1]):
            table.add_row(f"  {escape(label)}", "█" * round(share * _BAR_WIDTH), f"{share:.0%}")
        OUT.print(table)
        if relation["explanation"]:
            OUT.print(f"  {escape(relation['explanation'])}")
        for evidence in relation["evidence"]:
            OUT.print(f"  [dim]{evidence['weight']:+.2f}  {escape(evidence['sentence'])}[/]")


def print_video(told: Json) -> None:
    OUT.print(
        f"\n[bold]{escape(told['output'])}[/]: {told['width']}x{told['height']}, {told['duration_s']:.2f} s, "
        f"{told['frames']} frames ({sum(told['timings'].values()):.1f} s of work)"
    )
    _warn(told["warnings"])


def print_verdict(told: Json) -> None:
    """One sentence, and what it rests on."""
    mark, credentials = told["watermark"], told["credentials"]
    if told["made_here"]:
        state = "changed since" if told["changed"] else "unchanged"
        OUT.print(f"[bold]made here[/] by job {told['job']}, {state}")
    else:
        OUT.print("[bold]nothing says that it was made here[/] (which proves nothing)")
    signed = "none" if credentials is None else f"{credentials['state']}, signed by {credentials['signed_by'] or '?'}"
    OUT.print(f"  content credentials: {escape(signed)}")
    found = "found" if mark["found"] else "not found"
    OUT.print(f"  watermark: {found} (score {mark['score']:.1f}, needed {mark['threshold']:.1f})")


def print_jobs(answer: Json) -> None:
    table = Table("id", "kind", "status", "stage", "progress", "attempt", "created", box=None)
    for job in answer["jobs"]:
        share = f"{job['progress']:.0%}"
        table.add_row(
            job["id"], job["kind"], job["status"], job["stage"], share, str(job["attempt"]), job["created_at"]
        )
    OUT.print(table)


def print_job(job: Json) -> None:
    table = Table.grid(padding=(0, 2))
    for key, value in job.items():
        table.add_row(key, escape(str(value)))
    OUT.print(table)


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        TOLD.print(f"[yellow]warning[/]: {escape(warning)}")


def _only(values: Json, keys: Iterable[str]) -> dict[str, Any]:
    return {key: values[key] for key in keys}
