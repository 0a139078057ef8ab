"""A process that can be killed, frozen and started again."""

import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from gateway.processes import end_group, end_with_parent

_STOP_LIMIT_S = 30


@dataclass
class Process:
    """``command`` in a group of its own."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def pid(self) -> int:
        assert self.running is not None
        return self.running.pid

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.poll() is None

    def start(self, **environment: str) -> None:
        """What is left of it is ended first."""
        self.kill()
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                self.command,
                env=os.environ | self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509 - it takes no lock
            )

    def kill(self) -> None:
        """kill -9 of the whole group."""
        if self.running is not None:
            end_group(self.pid)
            self.running.wait()

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        assert self.running is not None
        self.running.terminate()
        return self.running.wait(_STOP_LIMIT_S)

    def freeze(self) -> None:
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def children(self) -> list[int]:
        told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(pid) for pid in told.split()]

    def logged(self, event: str, job_id: str) -> int:
        """How often it logged this about the job."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return sum(f'"event": "{event}"' in line and job_id in line for line in lines)
