"""``raconteur``: run the stack, ask about photos, make portraits talk, look after jobs."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli import options, show
from gateway.cli.audit import audit_app
from gateway.cli.jobs import jobs_app
from gateway.cli.keys import keys_app
from gateway.cli.prompts import prompts_app
from gateway.cli.stack import connected
from gateway.cli.videos import finish_video, narrate, talk
from gateway.settings import gateway_settings
from services.common.annotations import LABELS, read_annotations
from services.common.settings import REPOSITORY
from services.reasoning.schemas import LabelledStory

app = typer.Typer(
    help="Read how the people in a photo relate; make portraits talk.",
    epilog="Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 busy or out of reach, a later try may help; "
    "130 stopped by Ctrl-C.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(talk)
app.command()(narrate)
app.add_typer(jobs_app, name="jobs")
app.add_typer(prompts_app, name="prompts")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")

_EXAMPLES: Final = REPOSITORY / "examples"
EXAMPLE_CONSENT: Final = {
    "subject": "Grace Hopper",
    "basis": "licensed",
    "reference": "official portrait, United States Navy, public domain: examples/README.md",
    "given_on": "2026-11-22",
}


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
    photo: options.Photo,
    boxes: options.Boxes = None,
    overlay: Annotated[
        Path | None, typer.Option(dir_okay=False, help="PNG to write: the photo with masks, boxes and symbols")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Tell who and what is in a photo."""
    given = options.boxes_of(boxes)
    if overlay is not None:
        options.check_folder(overlay, "--overlay")
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking"):
            told = client.story(photo, boxes=given)
            if overlay is not None:
                overlay.write_bytes(client.overlay(photo, boxes=given))
        show.answer(as_json, show.story_json(told), show.print_story)


@app.command()
def relate(
    photo: options.Photo,
    pairs: Annotated[list[str] | None, typer.Option(help="P1,P2; may be given again; all pairs if left out")] = None,
    boxes: options.Boxes = None,
    taxonomy: options.TaxonomyName = "pisc",
    prompt: Annotated[
        str | None, typer.Option(help="id of a stored prompt (raconteur prompts list), or shipped")
    ] = None,
    *,
    as_json: options.AsJson = False,
) -> None:
    """Tell how the people in a photo relate, how sure that is, and why."""
    asked = [options.pair_of(pair, "--pairs") for pair in pairs] if pairs else None
    given, labels = options.boxes_of(boxes), options.taxonomy_of(taxonomy)
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking and thinking"):
            told = client.relations(photo, pairs=asked, boxes=given, taxonomy=labels, prompt=prompt)
        show.answer(as_json, show.relations_json(told), show.print_relations)


@app.command("label-stories")
def label_stories(
    annotations: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="list of PIPA or PISC: ten columns a line")
    ],
    photos: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="folder of the photos that it names")],
    taxonomy: Annotated[options.Builtin, typer.Option(help="whose label numbers the list has")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the JSON lines to write")] = Path("stories.jsonl"),
) -> None:
    """Tell annotated photos as labelled stories, to evaluate on and to search prompts with."""
    options.check_folder(output, "--output")
    with show.reporting(), connected(show.TOLD) as client:
        listed = read_annotations(annotations.read_text(encoding="utf-8"), str(annotations), LABELS[taxonomy])
        lines, missing, lost = 0, 0, 0
        with output.open("w", encoding="utf-8") as file:
            for number, photo in enumerate(listed, start=1):
                path = photos / photo.image
                if not path.is_file():
                    missing += 1
                    continue
                with show.waiting(f"photo {number} of {len(listed)}"):
                    seen = client.story(path, boxes=photo.boxes)
                pairs = photo.seen({person.symbol: person.box for person in seen.people})
                stories = [LabelledStory(story=seen.story, **asdict(pair)) for pair in pairs]
                lines += len(stories)
                lost += len(photo.pairs) - len(stories)
                file.writelines(f"{story.model_dump_json()}\n" for story in stories)
        show.OUT.print(f"{lines} labelled stories of {len(listed) - missing} photos")
        if missing:
            show.TOLD.print(f"[yellow]warning[/]: {missing} photos are not in the folder")
        if lost:
            show.TOLD.print(f"[yellow]warning[/]: {lost} pairs are left out: their people were not seen as two")


@app.command()
def demo() -> None:
    """Do both on the example inputs: relate the people of a photo, make a portrait talk."""
    output = Path("demo.mp4")
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking at examples/photo.jpg and thinking"):
            told = client.relations(_EXAMPLES / "photo.jpg")
        show.print_relations(show.relations_json(told))
        job = client.video(_EXAMPLES / "portrait.jpg", EXAMPLE_CONSENT, speech=_EXAMPLES / "speech.wav")
        show.print_video(finish_video(client, job.id, output.resolve()))


@app.command()
def verify(
    video: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="MP4, MOV, WebM or AVI")],
    as_json: options.AsJson = False,
) -> None:
    """Tell whether a video was made here, from which job, and whether it was changed since."""
    with show.reporting(), connected(show.TOLD) as client:
        with show.waiting("looking"):
            verdict = client.verify(video)
        show.answer(as_json, verdict, show.print_verdict)
