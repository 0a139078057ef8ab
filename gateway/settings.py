"""Settings of the gateway and its workers, read once from the environment (prefix ``RACONTEUR_``)."""

import ipaddress
from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import REPOSITORY


class GatewaySettings(BaseSettings):
    """How the gateway runs. Each field is the environment variable ``RACONTEUR_<FIELD>``."""

    model_config = SettingsConfigDict(env_prefix="RACONTEUR_", extra="ignore")

    data_dir: Path = Field(REPOSITORY / "var", description="files, work in progress, database, logs")
    database_url: str | None = Field(None, description="SQLAlchemy URL; a SQLite file in data_dir if left out")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="broker of wake-ups (Redis or Valkey)")
    perception_url: str = Field("http://127.0.0.1:8001")
    reasoning_url: str = Field("http://127.0.0.1:8002")
    talkinghead_url: str = Field("http://127.0.0.1:8003")

    s3_bucket: str | None = Field(
        None, min_length=3, description="bucket of files and work in progress; data_dir if left out"
    )
    s3_endpoint_url: str | None = Field(None, description="of a store that is not AWS; its key is told by AWS_...")
    s3_prefix: str = Field("", description="before every name in the bucket")
    s3_copies_max_bytes: int = Field(2 << 30, ge=0, description="of objects that a process keeps a copy of to read")

    keys_required: bool = Field(True, description="false lets this machine in without a key, and nobody else")
    secret: SecretStr | None = Field(
        None, min_length=32, description="authenticates keys and links; a file in data_dir if left out"
    )
    visible_label: bool = Field(True, description='"AI-generated" stands in every made video')
    c2pa_certificate: Path | None = Field(None, description="PEM chain that signs videos; a test one if left out")
    c2pa_key: Path | None = Field(None, description="PEM of the private key of that certificate")
    requests_per_minute: int = Field(1200, ge=1, description="of one key, at each gateway process; not without keys")
    max_queued_jobs: int = Field(10_000, ge=1, description="jobs of all owners that wait; more are answered 503")
    max_unfinished_jobs: int = Field(100, ge=1, description="jobs of one owner that wait or run; more are answered 429")
    compute_s_a_day: float | None = Field(None, gt=0, description="seconds that one owner's jobs may run within a day")
    loopback_urls: bool = Field(False, description="URLs of callers may name this machine; for development only")
    input_urls: bool = Field(False, description="files may be given by URL: https, on the open internet")
    fetch_s: float = Field(30.0, gt=0, le=600, description="a file that is given by URL must be here within this")
    max_upload_bytes: int = Field(200 * 1024 * 1024, ge=1024, description="largest request body")
    max_text_chars: int = Field(5000, ge=1, description="longest text to be spoken")
    retention_hours: float = Field(24.0, gt=0, description="files and finished jobs are erased after this")
    early_check_s: float = Field(10.0, gt=0, description="a busy talking head is not asked about inputs for longer")

    segment_frames: int = Field(25, ge=1, le=250, description="frames of one segment of a video; 25 are one second")
    lease_s: float = Field(10.0, gt=0, description="a job whose worker is silent for this long goes to another")
    heartbeat_s: float = Field(0.5, gt=0, description="how often a worker renews its lease and looks for a cancel")
    max_attempts: int = Field(3, ge=1, description="claims of a job before it fails as attempts_exhausted")
    service_patience_s: float = Field(180.0, gt=0, description="how long a job waits for a service to come back")
    slice_s: float = Field(20.0, gt=0, le=300, description="a search asks the reasoning service for so long at a time")
    pause_after_s: float = Field(600.0, gt=0, le=3000, description="a search goes back into the queue after this")
    reconcile_s: float = Field(2.0, gt=0, description="pause between two looks for lost and expired jobs")
    rewake_s: float = Field(5.0, gt=0, description="a waiting job is not woken again sooner than this")

    @property
    def sql_url(self) -> str:
        """``database_url``, or the SQLite file of ``data_dir``."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'raconteur.sqlite'}"

    def keys_required_at(self, host: str) -> bool:
        """Must callers of a gateway that listens on ``host`` send a key? On the loopback only if it was asked for."""
        asked_for = "keys_required" in self.model_fields_set and self.keys_required
        return asked_for or not (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache
def gateway_settings() -> GatewaySettings:
    """The settings of this process."""
    return GatewaySettings()
