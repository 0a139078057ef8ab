"""Engineering verbs of the perception service: ``python -m services.perception bench``."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from services.perception.bench.run import bench
from services.perception.settings import perception_settings

cli = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@cli.callback()
def verbs() -> None:
    """Keeps ``bench`` a verb of its own while it is the only one."""


@cli.command("bench")
def bench_command(
    repeats: Annotated[int, typer.Option(min=1, help="warm runs of each photo; their median is told")] = 3,
    *,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="run the published way beside ours (raconteur[vision])")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")] = False,
) -> None:
    """Seconds and memory for 1, 4 and 10 people; answers against the truth; the published way beside ours."""
    report = bench(perception_settings(), repeats, published=published, tell=lambda line: print(line, file=sys.stderr))
    if as_json:
        print(json.dumps(asdict(report), indent=2))
        return
    for name, figure in report.figures.items():
        print(f"{name:32} {figure['value']:10} {figure['unit']}")
    for wrong in report.wrong:
        print(f"wrong: {wrong}")
    for sentence in report.without_record:
        print(f"without a record: {sentence}")


if __name__ == "__main__":
    cli()
