"""Named points between two steps that cannot be one: a process dies or stands still exactly there."""

import os
import signal
import time
from collections.abc import Callable

import httpx
import pytest

from tests.chaos.house import House, wait_for

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

WORKER = {
    "claimed, and told nobody": "after gateway.store.work:JobStore.claim",
    "a segment is made and not kept": "before gateway.jobs.workspace:Workspace.put",
    "a segment is kept and not told": "after gateway.jobs.workspace:Workspace.put",
    "the result is a file, and no row": "after gateway.storage:Storage.adopt",
    "published, and the message not acknowledged": "after gateway.store.work:JobStore.publish",
}


@pytest.mark.parametrize("point", WORKER.values(), ids=WORKER)
def test_a_worker_that_dies_between_two_steps(place: House, point: str, recovered: Callable[[str, float], None]):
    first, second = place.workers
    second.kill()
    once = place.crash(first, f"kill {point}")
    job = place.submit()
    began = time.monotonic()
    wait_for(once.exists)
    second.start()

    assert place.settle([job]) == {"succeeded": 1}
    recovered(f"kill {point}: finished", time.monotonic() - began)
    assert place.row(job).attempt == (1 if "publish" in point else 2)
    first.kill()


@pytest.mark.parametrize(
    "point", ["after gateway.store.owners:OwnerStore.submit", "before gateway.jobs.queue:Bell.ring"]
)
def test_a_gateway_that_dies_between_the_row_and_the_message(place: House, point: str):
    """The caller hears of no job, and asks again with the same key: it is the one that was accepted."""
    once = place.crash(place.gateway, f"kill {point}")
    wait_for(place.gateway_is_ready)
    key = f"the same {point}"
    with pytest.raises(httpx.TransportError):
        place.submit(key=key)
    assert once.exists()
    place.gateway.start()
    wait_for(place.gateway_is_ready)
    (accepted,) = [job["id"] for job in place.http.get("/v1/jobs", params={"limit": 1}).json()["jobs"]]

    assert place.submit(key=key) == accepted
    assert place.settle([accepted]) == {"succeeded": 1}


def test_a_gateway_that_dies_between_telling_and_noting_tells_again_under_the_same_id(place: House):
    once = place.crash(place.gateway, "kill before gateway.store.webhooks:Outbox.settle")
    wait_for(place.gateway_is_ready)
    job = place.submit()
    wait_for(once.exists)
    place.gateway.start()
    wait_for(place.gateway_is_ready)

    assert place.settle([job]) == {"succeeded": 1}
    wait_for(lambda: sum(job.encode() in told.body for told in place.receiver.told) == 2)  # settle looks at their ids


@pytest.mark.parametrize(
    "point", ["before gateway.store.work:JobStore.publish", "before gateway.storage:Storage.adopt"]
)
def test_a_frozen_worker_whose_job_went_to_another_cannot_publish(place: House, point: str):
    first, second = place.workers
    second.kill()
    once = place.crash(first, f"freeze {point}")
    job = place.submit()
    wait_for(once.exists)
    (frozen,) = first.children()
    before = place.row(job)
    second.start()
    place.wait_taken_up(job, before)
    done = place.wait(job)
    os.kill(frozen, signal.SIGCONT)
    wait_for(lambda: first.logged("job_left", job))

    assert (done.status, done.attempt) == ("succeeded", 2)
    assert place.settle([job]) == {"succeeded": 1}
    assert place.row(job).version == done.version
    first.kill()
