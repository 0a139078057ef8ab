"""What Prometheus reads of the gateway."""

from prometheus_client.parser import text_string_to_metric_families as families

from tests.gateway.conftest import Stack


def samples(stack: Stack) -> dict[str, float]:
    """ "name{label,...}" -> value, labels in the order of their names."""
    found = {}
    for family in families(stack.http.get("/metrics").text):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def test_jobs_are_counted_once_and_every_kind_is_there_from_the_beginning(stack: Stack):
    before = samples(stack)
    stack.wait(stack.submit(1.0)["id"])
    after = samples(stack)

    ended = "raconteur_jobs_ended_total{video,succeeded}"
    assert after[ended] == before[ended] + 1
    ran = "raconteur_job_run_seconds_total{video,succeeded}"
    assert after[ran] > before[ran]
    assert before["raconteur_jobs{prompt_search,queued}"] == 0
    assert before["raconteur_job_longest_wait_seconds{}"] == 0
