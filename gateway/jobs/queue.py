"""Celery as the bell: a message says that a job may be taken, nothing more. The job store holds everything else."""

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from redis import Redis
from redis.exceptions import RedisError

from gateway.settings import GatewaySettings
from services.common.sockets import TCP_OPTIONS

RUN_JOB = "raconteur.run_job"
_QUEUE = "jobs"
_PREFIX = "raconteur:"
_ANSWER_S = 5.0
_HARD_LIMIT_S = 3600
_VISIBILITY_S = _HARD_LIMIT_S + 300
"""Must exceed the longest execution, or a running job is handed out again. Recovery rests on leases, not on this."""

log = structlog.get_logger()


def make_celery(settings: GatewaySettings) -> Celery:
    """The Celery app of gateway and workers."""
    celery = Celery("raconteur", broker=settings.redis_url)
    celery.conf.update(
        # The anonymous exchange routes by the queue's name alone: no binding table that a wiped broker could lose.
        task_queues=[Queue(_QUEUE, Exchange(""), routing_key=_QUEUE)],
        task_default_queue=_QUEUE,
        task_default_exchange="",
        task_create_missing_queues=False,
        broker_transport_options={
            "visibility_timeout": _VISIBILITY_S,
            "global_keyprefix": _PREFIX,
            "socket_keepalive": True,
            "socket_keepalive_options": TCP_OPTIONS,
            "socket_timeout": _ANSWER_S,
            "socket_connect_timeout": _ANSWER_S,
            # Between 6 and 11 s after a broker fell silent a worker connects anew (kombu adds its polls of 1 s).
            "health_check_interval": 5,
        },
        visibility_timeout=_VISIBILITY_S,
        task_acks_late=True,
        task_reject_on_worker_lost=True,  # attempts are counted by the claim
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_time_limit=_HARD_LIMIT_S,
        # One message at a time, by counting jobs and not messages: with a prefetch of 1, kombu waits for ever on the
        # message whose acknowledgement was lost with a connection, and the worker takes no other.
        worker_prefetch_multiplier=0,
        worker_disable_prefetch=True,
        worker_concurrency=1,
        worker_pool="prefork",
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,  # log lines are JSON already
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # an old attempt is kept out by its fence
    )
    return celery


class Bell:
    """Wakes workers."""

    def __init__(self, celery: Celery, redis_url: str) -> None:
        self._celery = celery
        self._redis = Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)

    def ring(self, job_id: str) -> bool:
        """Tell a worker of this job; False where the broker cannot be reached (the reconciler rings again later)."""
        try:
            self._celery.send_task(RUN_JOB, [job_id], retry=False, ignore_result=True)
        except (OperationalError, RedisError) as error:
            log.warning("bell_not_rung", job_id=job_id, reason=type(error).__name__)
            return False
        return True

    def waiting_messages(self) -> int:
        """Messages that no worker has taken. Raises ``redis.exceptions.RedisError``."""
        return int(self._redis.llen(f"{_PREFIX}{_QUEUE}"))

    def ping(self) -> None:
        """Raises ``redis.exceptions.RedisError`` where the broker cannot be reached."""
        self._redis.ping()

    def worker_answers(self, timeout_s: float) -> bool:
        """Does a worker listen?"""
        try:
            return bool(self._celery.control.inspect(timeout=timeout_s, limit=1).ping())
        except (OperationalError, RedisError):
            return False

    def close(self) -> None:
        self._redis.close()
        self._celery.close()
