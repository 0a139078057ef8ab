"""``raconteur``: run the stack, ask about photos, make portraits talk, look after jobs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.cli import show
from gateway.cli.audit import audit_app
from gateway.cli.keys import keys_app
from gateway.cli.stack import connected
from gateway.client import Json, Raconteur
from gateway.jobs.inputs import Basis, Rest
from gateway.settings import gateway_settings
from services.common.settings import REPOSITORY
from services.talkinghead.schemas import Sampler

app = typer.Typer(
    help="Read how the people in a photo relate; make portraits talk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
jobs_app = typer.Typer(help="Look after jobs.", no_args_is_help=True)
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")

_EXAMPLES: Final = REPOSITORY / "examples"
EXAMPLE_CONSENT: Final[Json] = {
    "subject": "Grace Hopper",
    "basis": "licensed",
    "reference": "official portrait, United States Navy, public domain: examples/README.md",
    "given_on": "2026-11-22",
}
_INTERRUPTED: Final = 130

Photo = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JPEG, PNG or WebP")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]
Boxes = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="JSON file with people's boxes [[x0, y0, x1, y1], ...]")
]
JobId = Annotated[str, typer.Argument(help="id of the job")]


@app.command()
def up(
    host: Annotated[
        str, typer.Option(help="address of the gateway; on any but the loopback callers need a key")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one")] = 8000,
) -> None:
    """Run the whole stack until Ctrl-C."""
    from gateway.stack import serve  # noqa: PLC0415 - brings Celery, which the other commands do without

    with show.reporting():
        serve(gateway_settings(), host, port, lambda line: print(line, flush=True))


@app.command()
def story(
    photo: Photo,
    boxes: Boxes = None,
    overlay: Annotated[
        Path | None, typer.Option(dir_okay=False, help="PNG to write: the photo with masks, boxes and symbols")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell who and what is in a photo."""
    if overlay is not None:
        _check_folder(overlay, "--overlay")
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking"):
            answer = client.story(photo, _text(boxes))
            if overlay is not None:
                client.overlay(photo, overlay, _text(boxes))
        _answer(as_json, show.story_json(answer), show.print_story)


@app.command()
def relate(
    photo: Photo,
    pairs: Annotated[list[str] | None, typer.Option(help="P1,P2; may be given again; all pairs if left out")] = None,
    boxes: Boxes = None,
    taxonomy: Annotated[str, typer.Option(help="pisc, pipa or a JSON file with an own one")] = "pisc",
    as_json: AsJson = False,
) -> None:
    """Tell how the people in a photo relate, how sure that is, and why."""
    asked = json.dumps([_pair(pair) for pair in pairs]) if pairs else None
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking and thinking"):
            answer = client.relations(photo, pairs=asked, boxes=_text(boxes), taxonomy=_taxonomy(taxonomy))
        _answer(as_json, show.relations_json(answer), show.print_relations)


@app.command()
def talk(
    source: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="a picture with a face, or a video to be voiced anew")
    ],
    speech: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="sound, or a video's sound")
    ] = None,
    *,
    subject: Annotated[str, typer.Option(help="whose face it is")] = "",
    consent: Annotated[
        Basis | None, typer.Option(help="why it may be animated: it is your own face, by a written consent, ...")
    ] = None,
    reference: Annotated[str, typer.Option(help="where a written consent or a licence can be looked up")] = "",
    given_on: Annotated[str, typer.Option(help="date of the consent; today if left out", metavar="YYYY-MM-DD")] = "",
    output: Annotated[Path, typer.Option("--output", "-o", help="the MP4 to write")] = Path("talk.mp4"),
    text: Annotated[str | None, typer.Option(help="a text to be spoken instead of SPEECH")] = None,
    voice: Annotated[str | None, typer.Option(help="who reads the text; an unknown name lists those there are")] = None,
    rate: Annotated[float | None, typer.Option(min=0.5, max=2.0, help="how fast the text is read")] = None,
    steps: Annotated[int | None, typer.Option(min=1, max=200, help="denoising steps: more is finer and slower")] = None,
    sampler: Annotated[Sampler, typer.Option(help="how to go from noise level to noise level")] = "ddim",
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    face: Annotated[
        str | None, typer.Option(help="which of several: its index from the left, largest, or a box x0,y0,x1,y1")
    ] = None,
    still: Annotated[bool, typer.Option("--still", help="no blink and no sway: only the lower face moves")] = False,
    rest: Annotated[Rest, typer.Option(help="of a video that is longer than the speech: keep or cut it")] = "keep",
    draft: Annotated[
        bool | None, typer.Option("--draft/--no-draft", help="of an imported model: begin with a draft of each frame")
    ] = None,
    progressive: Annotated[
        bool, typer.Option("--progressive", help="of an imported model: each frame is the reference of the next one")
    ] = False,
    features: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="DeepSpeech logits, for an imported model that hears them"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a portrait talk, or voice a video anew.

    It needs a consent, for example: --subject "Ann Lee" --consent self
    """
    if (speech is None) == (text is None):
        raise typer.BadParameter("give either SPEECH or --text")
    if not (subject and consent):
        raise typer.BadParameter(
            "say whose face it is and why it may be animated, for example --subject 'Ann Lee' --consent self, "
            "or --consent written --reference 'form 12 of May 2026'",
            param_hint="--subject and --consent",
        )
    told_consent = {
        "subject": subject,
        "basis": consent,
        "reference": reference,
        "given_on": given_on or datetime.now(UTC).date().isoformat(),
    }
    _check_folder(output, "--output")
    with show.reporting(), connected(show.TOLD) as client:
        job = client.video(
            source,
            told_consent,
            speech=speech,
            features=features,
            text=text,
            voice=voice,
            rate=rate,
            steps=steps,
            sampler=sampler,
            seed=seed,
            face=face,
            still=still,
            rest=rest,
            draft=draft,
            progressive=progressive,
        )
        told = _finish_video(client, job, output)
        _answer(as_json, told, show.print_video)


@app.command()
def demo() -> None:
    """Do both on the example inputs: relate the people of a photo, make a portrait talk."""
    output = Path("demo.mp4")
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking at examples/photo.jpg and thinking"):
            answer = client.relations(_EXAMPLES / "photo.jpg")
        show.print_relations(answer)
        job = client.video(_EXAMPLES / "portrait.jpg", EXAMPLE_CONSENT, speech=_EXAMPLES / "speech.wav")
        show.print_video(_finish_video(client, job, output.resolve()))


@app.command()
def verify(
    video: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="MP4, MOV, WebM or AVI")],
    as_json: AsJson = False,
) -> None:
    """Tell whether a video was made here, from which job, and whether it was changed since."""
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking"):
            answer = client.verify(video)
        _answer(as_json, answer, show.print_verdict)


@jobs_app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or canceled")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """The newest jobs."""
    with show.reporting(), connected(show.TOLD) as client:
        found = client.jobs(status, limit)
        _answer(as_json, {"jobs": found}, show.print_jobs)


@jobs_app.command("show")
def show_job(job_id: JobId, as_json: AsJson = False) -> None:
    """All about one job."""
    with show.reporting(), connected(show.TOLD) as client:
        job = client.job(job_id)
        _answer(as_json, job, show.print_job)


@jobs_app.command("cancel")
def cancel_job(job_id: JobId, as_json: AsJson = False) -> None:
    """Stop a job."""
    with show.reporting(), connected(show.TOLD) as client:
        job = client.cancel(job_id)
        _answer(as_json, job, show.print_job)


def _finish_video(client: Raconteur, job: Json, output: Path) -> Json:
    """Wait for the job and fetch its video; Ctrl-C cancels it."""
    try:
        done = show.follow(client.follow(job["id"]))
    except KeyboardInterrupt:
        client.cancel(job["id"])
        raise typer.Exit(_INTERRUPTED) from None
    client.download(job["id"], output)
    return show.video_json(done, str(output))


def _answer(as_json: bool, values: Json, printed: Callable[[Json], None]) -> None:
    if as_json:
        print(json.dumps(values, ensure_ascii=False))
    else:
        printed(values)


def _check_folder(path: Path, option: str) -> None:
    if not path.resolve().parent.is_dir():
        raise typer.BadParameter(f"{path}: its folder does not exist", param_hint=option)


def _pair(text: str) -> list[str]:
    symbols = [symbol.strip() for symbol in text.split(",")]
    if len(symbols) != 2:
        raise typer.BadParameter(f"{text!r} is not two symbols like P1,P2", param_hint="--pairs")
    return symbols


def _taxonomy(name: str) -> str:
    if name in ("pisc", "pipa"):
        return name
    if not Path(name).is_file():
        raise typer.BadParameter(f"{name!r} is neither pisc, pipa nor a file", param_hint="--taxonomy")
    return Path(name).read_text(encoding="utf-8")


def _text(path: Path | None) -> Any:
    return None if path is None else path.read_text(encoding="utf-8")
