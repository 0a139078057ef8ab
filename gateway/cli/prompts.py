"""``raconteur prompts``: which wording of the question answers."""

from typing import Annotated

import typer

from gateway.cli import options, show
from gateway.cli.stack import connected

prompts_app = typer.Typer(help="See which prompt answers, and let another one.", no_args_is_help=True)


@prompts_app.command("list")
def list_prompts(
    taxonomy: Annotated[options.Builtin | None, typer.Option(help="of this one alone")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Your prompts, newest first. Where none is active, the one that ships answers."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.prompts(taxonomy=taxonomy), show.print_prompts)


@prompts_app.command("activate")
def activate(
    prompt_id: Annotated[str, typer.Argument(help="id of the prompt")], as_json: options.AsJson = False
) -> None:
    """Let a prompt answer from now on."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.activate_prompt(prompt_id), show.print_prompt)


@prompts_app.command("rollback")
def roll_back(
    taxonomy: Annotated[options.Builtin, typer.Argument(help="of which taxonomy")], as_json: options.AsJson = False
) -> None:
    """Undo the last activation: the prompt before it answers again."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.roll_back_prompt(taxonomy), show.print_answering)
