"""``raconteur talk`` and ``raconteur narrate``: a face that speaks, as a file."""

from pathlib import Path
from typing import Annotated, Any

import click
import typer

from gateway.cli import options, show
from gateway.cli.stack import connected
from gateway.client import Raconteur

INTERRUPTED = 130


def talk(
    source: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="a picture with a face, or a video to be voiced anew")
    ],
    speech: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="sound, or a video's sound")
    ] = None,
    *,
    subject: options.Subject = "",
    consent: options.ConsentBasis = None,
    reference: options.Reference = "",
    given_on: options.GivenOn = "",
    output: options.Output = Path("talk.mp4"),
    text: Annotated[str | None, typer.Option(help="a text to be spoken instead of SPEECH")] = None,
    voice: options.Voice = None,
    rate: options.Rate = None,
    steps: options.Steps = None,
    sampler: options.SamplerName = "ddim",
    seed: options.Seed = None,
    face: options.Face = None,
    still: options.Still = False,
    rest: options.RestOf = "keep",
    draft: options.Draft = None,
    progressive: options.Progressive = False,
    features: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="DeepSpeech logits, for an imported model that hears them"),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make a portrait talk, or voice a video anew. A text has captions: they are written beside the video, too.

    It needs a consent, for example: --subject "Ann Lee" --consent self
    """
    if (speech is None) == (text is None):
        raise typer.BadParameter("give either SPEECH or --text")
    told_consent = options.consent_of(subject, consent, reference, given_on)
    options.check_folder(output, "--output")
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
        show.answer(as_json, finish_video(client, job.id, output), show.print_video)


def narrate(
    photo: options.Photo,
    portrait: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="who tells it: a picture with a face, or a video")
    ],
    *,
    pair: Annotated[str | None, typer.Option(help="P1,P2; the relation that is surest if left out")] = None,
    taxonomy: options.TaxonomyName = "pisc",
    leave_out_sensitive: Annotated[
        bool, typer.Option("--leave-out-sensitive", help="choose among labels that are not flagged as sensitive")
    ] = False,
    edit: Annotated[bool, typer.Option("--edit", help="mend the words in your editor before they are spoken")] = False,
    subject: options.Subject = "",
    consent: options.ConsentBasis = None,
    reference: options.Reference = "",
    given_on: options.GivenOn = "",
    output: options.Output = Path("narration.mp4"),
    voice: options.Voice = None,
    rate: options.Rate = None,
    steps: options.Steps = None,
    seed: options.Seed = None,
    face: options.Face = None,
    still: options.Still = False,
    rest: options.RestOf = "keep",
    as_json: options.AsJson = False,
) -> None:
    """Let a portrait tell who is in a photo, how two of them relate and why. Captions are written beside the video.

    It needs a consent for the portrait, for example: --subject "Ann Lee" --consent self
    """
    told_consent = options.consent_of(subject, consent, reference, given_on)
    options.check_folder(output, "--output")
    about: dict[str, Any] = {
        "pair": None if pair is None else options.pair_of(pair, "--pair"),
        "taxonomy": options.taxonomy_of(taxonomy),
        "leave_out_sensitive": leave_out_sensitive,
    }
    manner: dict[str, Any] = {
        "voice": voice,
        "rate": rate,
        "steps": steps,
        "seed": seed,
        "face": face,
        "still": still,
        "rest": rest,
    }
    with show.reporting(), connected(show.TOLD) as client:
        if edit:
            with show.waiting("looking and thinking"):
                written = client.script(photo, **about).script
            job = client.narration(None, portrait, told_consent, script=_mended(written), **manner)
        else:
            job = client.narration(photo, portrait, told_consent, **about, **manner)
        show.answer(as_json, finish_video(client, job.id, output), show.print_video)


def _mended(written: str) -> str:
    """What is left in the caller's editor; as it was written where nothing is saved."""
    return (click.edit(written, extension=".txt") or written).strip()


def finish_video(client: Raconteur, job_id: str, output: Path) -> dict[str, Any]:
    """Wait for the job, fetch its video and its captions -> what ``--json`` prints. Ctrl-C cancels the job."""
    try:
        with show.progress() as on_change:
            done = client.wait(job_id, on_change)
    except KeyboardInterrupt:
        client.cancel(job_id)
        raise typer.Exit(INTERRUPTED) from None
    client.download(job_id, output)
    captions: Path | None = None
    if done.captions is not None:
        captions = output.with_suffix(".vtt")
        captions.write_text(client.captions(job_id), encoding="utf-8")
    return show.video_json(done, output, captions)
