"""Engineering verbs of the talking-head service.

``python -m services.talkinghead import|export|prepare|train|evaluate|bench``.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from services.common.errors import ProblemError
from services.talkinghead.difftalk.configuration import SpeechFeatures
from services.talkinghead.difftalk.export_checkpoint import export_checkpoint
from services.talkinghead.difftalk.import_checkpoint import import_checkpoint
from services.talkinghead.difftalk.original_file import CheckpointError, listed
from services.talkinghead.footage import command
from services.talkinghead.footage.made import Account
from services.talkinghead.footage.prepare import PrepareError
from services.talkinghead.footage.report import in_words
from services.talkinghead.footage.takes import TakesError
from services.talkinghead.models import load_models
from services.talkinghead.pipeline import TalkingHead
from services.talkinghead.settings import talkinghead_settings

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)

BAD_INPUT = 2  # exit code, as of wrong arguments

AsJson = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]


@cli.command("import")
def import_command(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint of the original DiffTalk layout, .ckpt")],
    out_dir: Annotated[Path, typer.Argument(help="folder to write: safetensors and JSON, as diffusers has it")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="take the UNet's raw weights, not their moving average")] = False,
    square_px: Annotated[
        int | None, typer.Option(min=8, help="edge of the face square; by default 64 times the first stage's factor")
    ] = None,
    speech_features: Annotated[
        SpeechFeatures, typer.Option(help="what the model was trained to hear; no checkpoint tells")
    ] = "deepspeech",
    speech_encoder: Annotated[
        Path | None,
        typer.Option(help="folder of the network that makes wav2vec2 or whisper features, as transformers has it"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a checkpoint of the original DiffTalk; nothing in it is executed."""
    try:
        made = import_checkpoint(
            checkpoint,
            out_dir,
            square_px=square_px,
            use_ema=not raw,
            speech_features=speech_features,
            speech_encoder=speech_encoder,
        )
    except (CheckpointError, OSError) as error:
        _refuse(error)
    if made.unknown:
        print(f"warning: not used, kept for export: {listed(made.unknown)}", file=sys.stderr)
    report = {
        "output": str(made.folder),
        "model": made.configuration.name,
        "square_px": made.configuration.square_px,
        "weights": made.weights,
        "speech_features": made.configuration.speech_features,
        "parameters": made.parameters,
        "global_step": made.global_step,
        "unknown": made.unknown,
    }
    _tell(
        report,
        f"{made.folder}: {made.configuration.name}, {made.parameters:,} parameters, {made.weights} weights",
        as_json,
    )


@cli.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a model's folder, as `import` writes it")],
    checkpoint: Annotated[Path, typer.Argument(help="file to write, .ckpt")],
    as_json: AsJson = False,
) -> None:
    """Write a model back as a checkpoint that the original DiffTalk code loads."""
    try:
        made = export_checkpoint(folder, checkpoint)
    except (CheckpointError, OSError) as error:
        _refuse(error)
    report = {"output": str(made.path), "tensors": len(made.state), "global_step": made.global_step}
    _tell(report, f"{made.path}: {len(made.state)} tensors, step {made.global_step}", as_json)


@cli.command("bench")
def bench_command(
    portrait: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a picture with one face")],
    speech: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="a sound file")],
    frames: Annotated[
        int, typer.Option(min=1, help="compared with the published sampler, seconds for each; 16 fill two batches")
    ] = 16,
    *,
    video: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="voiced anew by silence: do its old lips show?")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG to write: quality against steps")] = None,
    as_json: AsJson = False,
) -> None:
    """Speed, memory, steadiness, and what fewer steps cost; the published sampler runs beside ours."""
    from services.talkinghead import bench  # noqa: PLC0415 - needs the extra "evaluation"

    settings = talkinghead_settings()
    models, states = load_models(settings)
    if models is None:
        _refuse(OSError(f"models are not loaded: {states}"))
    source = None if video is None else video.read_bytes()
    head = TalkingHead(models, settings)
    report = bench.bench(head, models, portrait.read_bytes(), speech.read_bytes(), frames, video=source)
    if plot is not None:
        bench.draw(report, plot)
    _tell(report, bench.table(report), as_json)


@cli.command("evaluate")
def evaluate_command(
    clips: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, metavar="CLIP...", help="videos, or portraits")
    ],
    speech: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="another sound that drives the clips; by default their own"),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder to write: a plot of the mouth and a video side by side")] = Path(
        "evaluation"
    ),
    seconds: Annotated[float | None, typer.Option(min=0.2, help="of each clip, from its start")] = None,
    *,
    sync_expert: Annotated[
        Path | None, typer.Option(help="another sync expert than the one that ships, as `train` writes it")
    ] = None,
    variants: Annotated[
        bool, typer.Option("--variants", help="also the draft alone, other steps and strengths, and other sound heard")
    ] = False,
    syncnet: Annotated[
        Path | None, typer.Option(help="SyncNet's own weights, syncnet_v2.model, if you have them: LSE-D and LSE-C")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How good what is made is, beside the truth, the first frame's mouth and the mean mouth."""
    from services.talkinghead.evaluation import report  # noqa: PLC0415 - needs the extra "evaluation"
    from services.talkinghead.evaluation.evaluate import evaluate_clip  # noqa: PLC0415
    from services.talkinghead.evaluation.judges import Judges  # noqa: PLC0415
    from services.talkinghead.evaluation.variants import walking  # noqa: PLC0415

    settings = talkinghead_settings()
    models, states = load_models(settings)
    if models is None:
        _refuse(OSError(f"models are not loaded: {states}"))
    try:
        judges = Judges.load(
            settings.weights_dir, settings.threads, settings.profile, sync_expert=sync_expert, syncnet=syncnet
        )
        others = walking(models.difftalk) if variants else {}
    except ValueError as error:
        _refuse(error)
    head = TalkingHead(models, settings)
    measured = []
    for clip in clips:
        print(f"{clip} ...", file=sys.stderr)
        try:
            measured.append(
                evaluate_clip(head, models, judges, clip, speech=speech, out=out, seconds=seconds, variants=others)
            )
            report.draw(measured[-1], out / f"{clip.stem}.png")
        except (ProblemError, OSError) as error:
            _refuse(OSError(f"{clip}: {error}"))
    told = report.as_json(measured)
    _tell(told, report.table(told), as_json)


@cli.command("prepare")
def prepare_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="[VIDEOS]... OUT", help="videos, folders of them or HDTF's lists; then the set's folder"
        ),
    ],
    *,
    synthetic: Annotated[
        int | None, typer.Option(metavar="N", help="render N people instead of taking videos; a multiple of 10")
    ] = None,
    assets: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="head assets for --synthetic, see the docs")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the rendered people; another one gives other people")] = 0,
    square_px: Annotated[
        int, typer.Option(min=64, max=1024, help="edge of the face squares: 128 for small, 256 and 512 for base")
    ] = 128,
    train_list: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="names of the videos to train on, one a line; by default nine people of ten"),
    ] = None,
    speech_features: Annotated[
        SpeechFeatures, typer.Option(help="a kind to put beside the actions: whisper or wav2vec2")
    ] = "actions",
    speech_encoder: Annotated[
        Path | None, typer.Option(help="folder of the network that makes those features, as transformers has it")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes; each uses one core")] = 1,
    as_json: AsJson = False,
) -> None:
    """Talking videos, or rendered heads, -> a set to train on. A run that was stopped goes on where it was."""
    *sources, out = paths
    if bool(sources) == (synthetic is not None):
        _refuse(ValueError("videos: name some, or say --synthetic N; one of the two, and the set's folder behind it"))
    options = command.SetOptions(out, square_px, speech_features, speech_encoder, workers, _tell_progress)
    try:
        if synthetic is None:
            report = command.prepare_videos(sources, train_list, options, talkinghead_settings())
        elif assets is None:
            _refuse(ValueError("assets: --synthetic needs a folder of head assets"))
        else:
            report = command.prepare_rendered(synthetic, assets, seed, options, talkinghead_settings())
    except ImportError as error:
        _refuse(ImportError(f"synthetic: the extra 'synthetic' is not installed ({error})"))
    except (TakesError, PrepareError, ValueError, ProblemError) as error:
        _refuse(error)
    _tell(report, f"{out}: {in_words(report)}", as_json)


@cli.command("train")
def train_command(
    config: Annotated[str, typer.Argument(help="small, base-256 or base-512, or a YAML file of your own")],
    data: Annotated[Path, typer.Option(help="a set, as `prepare` writes it")],
    out: Annotated[
        Path, typer.Option(help="folder of the run: checkpoints, TensorBoard's log and, in model/, the model")
    ],
    *,
    start: Annotated[
        Path | None,
        typer.Option(help="a model's folder to go on from: weights/difftalk-small, or another run's model/"),
    ] = None,
    speech_encoder: Annotated[
        Path | None, typer.Option(help="folder of the network that made the set's features, to go along with the model")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """A set -> a talking head. A run that was stopped goes on where it was; `accelerate launch -m` takes many GPUs."""
    try:
        from services.talkinghead.training.command import train  # noqa: PLC0415 - needs the extra "training"
        from services.talkinghead.training.configuration import load_configuration  # noqa: PLC0415
        from services.talkinghead.training.errors import TrainError  # noqa: PLC0415
    except ImportError as error:
        _refuse(ImportError(f"train: the extra 'training' is not installed ({error})"))
    try:
        report = train(
            load_configuration(config), data, out, talkinghead_settings(), start=start, speech_encoder=speech_encoder
        )
    except TrainError as error:
        _refuse(error)
    if report is not None:
        _tell(report, f"{report['output']}: {report['model']}, {report['held_out']['denoiser']}", as_json)


def _tell_progress(done: int, count: int, account: Account) -> None:
    left_out = "".join(f", {reason} {seconds:.1f} s" for reason, seconds in account.left_out_s.items())
    became = account.refused or f"{account.kept_s:.1f} of {account.seen_s:.1f} s kept{left_out}"
    print(f"{done}/{count} {account.piece}: {became}", file=sys.stderr)


def _tell(report: dict[str, Any], line: str, as_json: bool) -> None:
    print(json.dumps(report) if as_json else line)


def _refuse(error: Exception) -> NoReturn:
    print(f"error: {error}", file=sys.stderr)
    raise typer.Exit(BAD_INPUT)


if __name__ == "__main__":
    cli()
