"""Settings of the web application: one typed, frozen object read from environment variables."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.imaging.guards import Limits

MEBIBYTE = 2**20


class SettingsError(ForgeryError):
    """An environment variable holds a value that is not allowed."""

    code = "bad_setting"


def _http_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://")
    return value.rstrip("/")


def _job_max_mb(max_held_mb: float, jobs_max_mb: float, **_others: Any) -> float:
    return min(500, max_held_mb, jobs_max_mb)


class Settings(BaseModel):
    """What may be set. The environment variable of a field is its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(8080, ge=1, le=65535, description="port of the web page")
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    scoring_url: Annotated[str, AfterValidator(_http_url)] = Field(
        "http://127.0.0.1:5001", description="where `mlflow models serve` listens"
    )
    scoring_pointer: str = Field(
        "", description="JSON file that overrides SCORING_URL while it exists; see deploy"
    )
    scoring_connect_timeout: float = Field(3.0, gt=0, le=60, description="seconds")
    scoring_read_timeout: float = Field(60.0, gt=0, le=600, description="seconds")
    scoring_concurrency: int = Field(
        8, ge=1, le=256, description="requests at the scoring server at once; others wait"
    )
    evidence_concurrency: int = Field(
        2, ge=1, le=256, description="pictures whose evidence is drawn at once; others wait"
    )
    max_upload_mb: float = Field(25, gt=0, le=1024, description="size of one file, MiB")
    max_request_mb: float = Field(
        100, gt=0, le=4096, description="size of a request, MiB", validate_default=True
    )
    max_held_mb: float = Field(
        1024, gt=0, description="uploads held at once, MiB; beyond it 429", validate_default=True
    )
    max_pixels: int = Field(64_000_000, ge=64, le=1_000_000_000, description="of one image")
    max_files: int = Field(20, ge=1, le=1000, description="images in one request")
    header_seconds: float = Field(
        15, gt=0, le=600, description="longest wait for the headers of a request"
    )
    upload_seconds: float = Field(600, gt=0, le=86_400, description="longest upload")
    upload_stall_seconds: float = Field(
        20, gt=0, le=600, description="longest pause in the middle of an upload"
    )
    upload_floor_kb: float = Field(
        4, ge=0, le=10_000, description="slowest upload accepted, KiB/s after 30 s"
    )
    decoder_sandbox: bool = Field(
        True, description="whether pictures are decoded in processes of their own, with limits"
    )
    ready_cache_seconds: float = Field(
        3, ge=0, le=60, description="seconds for which /readyz remembers its last check"
    )
    feedback_db: str = Field("", description="SQLite file of the feedback; empty: no feedback")
    feedback_max_mb: float = Field(
        2048, gt=0, description="size of that file, MiB; when it is full, nothing more is saved"
    )
    results_dir: str = Field(
        "", description="folder of the page's results; empty: as that of the jobs"
    )
    results_max_mb: float = Field(
        512, gt=0, description="size of all kept results, MiB; the oldest make room for new ones"
    )
    results_keep_seconds: float = Field(
        3600, gt=0, le=604_800, description="how long a result of the page is kept"
    )
    jobs_dir: str = Field(
        "", description="folder of the jobs; empty: one per user and port among temporary files"
    )
    jobs_max: int = Field(100, ge=0, le=10_000, description="jobs kept at once; 0: none is taken")
    jobs_max_mb: float = Field(
        1024, gt=0, description="pictures and results of all jobs, MiB; beyond it 429"
    )
    jobs_keep_seconds: float = Field(
        3600, gt=0, le=604_800, description="how long a job is kept after it came and after its end"
    )
    jobs_concurrency: int = Field(
        1, ge=1, le=256, description="pictures of jobs at the scoring server at once, per process"
    )
    job_max_files: int = Field(200, ge=1, le=9999, description="pictures in one job")
    job_max_mb: float = Field(
        default_factory=lambda data: _job_max_mb(**data),
        gt=0,
        description="size of a job's request, MiB; 500, unless MAX_HELD_MB or JOBS_MAX_MB is less",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    web_threads: int = Field(
        256, ge=1, le=1024, description="requests at once; most may wait, each holds a thread"
    )
    shutdown_seconds: int = Field(
        30, ge=1, le=600, description="grace period for requests in flight"
    )

    @field_validator("max_request_mb", "max_held_mb")
    @classmethod
    def _holds_the_part(cls, value: float, info: ValidationInfo) -> float:
        part = {"max_request_mb": "max_upload_mb", "max_held_mb": "max_request_mb"}[
            str(info.field_name)
        ]
        least = info.data.get(part, 0)
        if value < least:
            raise ValueError(f"it must be at least {part.upper()}, which is {least:g}")
        return value

    @field_validator("job_max_mb")
    @classmethod
    def _fits_into_the_whole(cls, value: float, info: ValidationInfo) -> float:
        for whole in ("max_held_mb", "jobs_max_mb"):
            most = info.data.get(whole, value)
            if value > most:
                raise ValueError(f"it must be at most {whole.upper()}, which is {most:g}")
        return value

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Return the settings that the environment describes; an empty variable is not set.

        Raises:
            SettingsError: a value is not allowed; one sentence names variable and value.
        """
        environment = os.environ if environment is None else environment
        given: dict[str, Any] = {
            name: environment[name.upper()]
            for name in cls.model_fields
            if environment.get(name.upper())
        }
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            variable = str(first["loc"][0]).upper()
            reason = first["msg"].removeprefix("Value error, ")
            message = f"{variable} is {first['input']!r}: {reason[0].lower()}{reason[1:]}"
            raise SettingsError(message) from error

    @property
    def limits(self) -> Limits:
        """What an uploaded image may measure."""
        return Limits(max_bytes=int(self.max_upload_mb * MEBIBYTE), max_pixels=self.max_pixels)

    @property
    def max_request_bytes(self) -> int:
        """What a whole request may measure, in bytes."""
        return int(self.max_request_mb * MEBIBYTE)

    @property
    def job_max_bytes(self) -> int:
        """What the request for a job may measure, in bytes."""
        return int(self.job_max_mb * MEBIBYTE)

    @property
    def jobs_folder(self) -> Path:
        """Where the jobs are; the port tells the services of one user apart."""
        return self._private_folder(self.jobs_dir, "jobs")

    @property
    def results_folder(self) -> Path:
        """Where the results of the page are; as `jobs_folder`."""
        return self._private_folder(self.results_dir, "results")

    def _private_folder(self, given: str, content: str) -> Path:
        private = Path(tempfile.gettempdir(), f"forgery-{content}-{os.getuid()}-{self.port}")
        return Path(given).absolute() if given else private

    @property
    def max_held_bytes(self) -> int:
        """What all requests that are not answered yet may measure together, in bytes."""
        return int(self.max_held_mb * MEBIBYTE)
