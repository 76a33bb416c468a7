"""A model's process that is replaced where an image kills it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from forgery.model_process import Ask, opened
from forgery_pyfunc.errors import ModelError

DEATHS_IN_A_ROW = 10
"""Images one after the other that end the process: the model or the machine is at fault."""

logger = logging.getLogger(__name__)


@contextmanager
def surviving(
    model: str | Path, params: dict[str, Any] | None = None, tracking_uri: str | None = None
) -> Iterator[Ask]:
    """Yield what `opened` does, but a record with `internal_error` for an image that kills it.

    Raises:
        ModelError: the model cannot be loaded, or `DEATHS_IN_A_ROW` images kill its process.
    """
    with ExitStack() as stack:
        one = _Process(stack, model, params, tracking_uri)
        one.start()
        yield one.ask


class _Process:
    """Holds the process that answers at present."""

    def __init__(self, stack: ExitStack, *arguments: Any) -> None:
        self.stack, self.arguments, self.deaths = stack, arguments, 0
        self.present: Ask | None = None

    def start(self) -> Ask:
        if self.present is None:
            self.present = self.stack.enter_context(opened(*self.arguments))
        return self.present

    def ask(self, images: list[bytes], **changed: Any) -> list[dict[str, Any]]:
        present = self.start()
        try:
            records = present(images, **changed)
        except ModelError as error:
            self.stack.close()
            self.present = None
            if len(images) > 1:
                return [self.ask([image], **changed)[0] for image in images]
            return [self._died(error)]
        self.deaths = 0
        return records

    def _died(self, error: ModelError) -> dict[str, Any]:
        self.deaths += 1
        if self.deaths == DEATHS_IN_A_ROW:
            raise ModelError(f"{self.deaths} images in a row: {error}") from error
        logger.warning("an image could not be scored: %s", error)
        return {"error": "internal_error: the process that scores ended with this image"}
