"""Jobs as Prometheus sees them: read from the database when it asks, so that every gateway tells the same."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.jobs.inputs import EVALUATION, NARRATION, PROMPT_SEARCH, VIDEO
from gateway.jobs.state import TERMINAL, UNFINISHED
from gateway.store.tallies import TallyStore

_KINDS: Final = (VIDEO, NARRATION, PROMPT_SEARCH, EVALUATION)


class JobMetrics(Collector):
    """Every kind and state is shown from the first time on, at 0: a rate needs a beginning."""

    def __init__(self, tallies: TallyStore) -> None:
        self._tallies = tallies

    def describe(self) -> Iterator[Metric]:
        """Nothing: else the registry would ask the database before it is there."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Counts as the database has them at this moment."""
        now = {(each.kind, each.status): each.jobs for each in self._tallies.unfinished()}
        unfinished = GaugeMetricFamily("raconteur_jobs", "Jobs that wait or run", labels=["kind", "status"])
        for kind in _KINDS:
            for status in sorted(UNFINISHED):
                unfinished.add_metric([kind, status], now.get((kind, status), 0))
        yield unfinished
        yield GaugeMetricFamily(
            "raconteur_job_longest_wait_seconds",
            "Age of the oldest job that waits",
            value=self._tallies.longest_wait_s(),
        )

        ended = {(each.kind, each.status): each for each in self._tallies.ended()}
        labels = ["kind", "status"]
        jobs = CounterMetricFamily("raconteur_jobs_ended", "Jobs that came to an end", labels=labels)
        waited = CounterMetricFamily("raconteur_job_wait_seconds", "Time that ended jobs had waited", labels=labels)
        ran = CounterMetricFamily("raconteur_job_run_seconds", "Time that ended jobs had run", labels=labels)
        for kind in _KINDS:
            for status in sorted(TERMINAL):
                tally = ended.get((kind, status))
                jobs.add_metric([kind, status], tally.jobs if tally else 0)
                waited.add_metric([kind, status], tally.waited_s if tally else 0)
                ran.add_metric([kind, status], tally.ran_s if tally else 0)
        yield from (jobs, waited, ran)
