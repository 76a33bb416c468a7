"""What a client is told of a job, and what is kept of its request."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from webui.records import FileRecord

Status = Literal["queued", "running", "finished"]


class Job(BaseModel):
    """The state of a job, with a record for each picture that is done, as `/predict` answers."""

    id: str
    status: Status
    total: int = Field(description="pictures that were sent")
    done: int = Field(description="pictures that have their record")
    failed: int = Field(description="of those, the pictures whose record is an error")
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime = Field(description="when the job is removed; set anew when it finishes")
    results: list[FileRecord | None] = Field(description="as uploaded; null: not done yet")


class Order(BaseModel):
    """What is kept of the request for a job.

    Attributes:
        created_at: when it came.
        request_id: appears in the logs of the scoring server.
        threshold: see `JobForm`.
        filenames: of all pictures, in order.
        picture_bytes: size of the pictures that are to be scored.
    """

    model_config = ConfigDict(frozen=True)

    created_at: datetime
    request_id: str
    threshold: float | None
    filenames: tuple[str, ...]
    picture_bytes: int
