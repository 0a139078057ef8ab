"""``raconteur jobs``: look after what takes long."""

from typing import Annotated

import typer

from gateway.cli import options, show
from gateway.cli.stack import connected
from gateway.jobs.state import JobStatus

jobs_app = typer.Typer(help="Look after jobs.", no_args_is_help=True)


@jobs_app.command("list")
def list_jobs(
    status: Annotated[JobStatus | None, typer.Option(help="only those in this state")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: options.AsJson = False,
) -> None:
    """The newest jobs."""
    with show.reporting(), connected(show.TOLD) as client:
        found = client.jobs(status=status, limit=limit).jobs
        show.answer(as_json, {"jobs": [job.model_dump(mode="json") for job in found]}, show.print_jobs)


@jobs_app.command("show")
def show_job(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """All about one job."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.job(job_id), show.print_job)


@jobs_app.command("repeat")
def repeat_job(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Make a job again that failed or was canceled."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.repeat_job(job_id), show.print_job)


@jobs_app.command("cancel")
def cancel_job(job_id: options.JobId, as_json: options.AsJson = False) -> None:
    """Stop a job."""
    with show.reporting(), connected(show.TOLD) as client:
        show.answer(as_json, client.cancel(job_id), show.print_job)
