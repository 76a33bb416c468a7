"""The pages of `pages/`, served to a Chromium that takes a picture of each."""

from __future__ import annotations

import importlib
import inspect
import json
import mimetypes
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from forgery_lab.errors import DataError

if TYPE_CHECKING:
    from playwright.sync_api import Route

PAGES = Path(__file__).with_name("pages")
_ORIGIN = "http://pictures.invalid"
_PATIENCE_MS = 60_000
_FLAGS = (
    "--no-sandbox",
    "--use-angle=swiftshader",  # three dimensions without a graphics card
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
_ICON_SETS = ("noto", "fluent-emoji-flat", "logos")
_ICONS = 300
_ICON_BYTES = 12_000
_STOP_AT_ERROR = """
for (const kind of ["error", "unhandledrejection"])
  addEventListener(kind, () => (document.documentElement.dataset.done = "no"));
"""
_TEXTS = (
    "argparse", "array", "asyncio", "bisect", "calendar", "codecs", "collections",
    "contextlib", "copy", "csv", "datetime", "decimal", "difflib", "email", "enum",
    "fractions", "functools", "gettext", "hashlib", "heapq", "inspect", "io", "itertools",
    "json", "logging", "mailbox", "math", "numbers", "operator", "os", "pathlib", "pickle",
    "platform", "pprint", "queue", "random", "re", "sched", "select", "shutil", "signal",
    "smtplib", "socket", "sqlite3", "statistics", "string", "subprocess", "tarfile",
    "tempfile", "textwrap", "threading", "time", "timeit", "tokenize", "traceback", "types",
    "typing", "unittest", "urllib.parse", "uuid", "warnings", "wave", "weakref", "zipfile",
)  # fmt: skip


@dataclass(frozen=True)
class Shot:
    """A page, the window in CSS pixels, device pixels per CSS pixel, and the seed of the page."""

    page: str
    size: tuple[int, int]
    scale: float
    seed: int


class Browser:
    """A Chromium that reads nothing but the pages, the packages and the photographs given."""

    def __init__(self, packages: Path, photographs: Sequence[Path]) -> None:
        self._packages = packages.resolve()
        self._photographs = tuple(photographs)
        self._answers = {
            "text.json": json.dumps(_text()),
            "icons.json": json.dumps([_icons(self._packages, name) for name in _ICON_SETS]),
        }

    def __enter__(self) -> Self:
        """Start Chromium.

        Raises:
            DataError: Playwright or Chromium is missing.
        """
        try:
            from playwright.sync_api import Error, sync_playwright
        except ImportError as error:
            raise DataError("Playwright is missing; it is part of the extra `dev`") from error
        self._playwright = sync_playwright().start()
        try:
            self._launch()
        except Error as error:
            self._playwright.stop()
            raise DataError(
                "Chromium cannot be started; install the Debian package chromium, or name its "
                f"program in CHROMIUM: {error.message.splitlines()[0]}"
            ) from error
        return self

    def _launch(self) -> None:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        self._chromium = self._playwright.chromium.launch(executable_path=path, args=list(_FLAGS))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop Chromium."""
        self._chromium.close()
        self._playwright.stop()

    def shoot(self, shot: Shot) -> bytes:
        """Return a page as PNG.

        Raises:
            DataError: the page failed; its message is in the error's.
        """
        from playwright.sync_api import Error

        if not self._chromium.is_connected():  # a page took it down
            self._launch()
        width, height = shot.size
        page = self._chromium.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=shot.scale
        )
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.add_init_script(_STOP_AT_ERROR)
        page.route("**/*", self._answer)
        try:
            page.goto(
                f"{_ORIGIN}/pages/{shot.page}.html?seed={shot.seed}"
                f"&photographs={len(self._photographs)}"
            )
            page.wait_for_selector("html[data-done]", state="attached", timeout=_PATIENCE_MS)
            if not failures:
                return page.screenshot(timeout=_PATIENCE_MS)
        except Error as error:
            failures.append(error.message.splitlines()[0])
        finally:
            page.close()
        raise DataError(f"page {shot.page}, seed {shot.seed}: {'; '.join(failures)}")

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        first, _, rest = unquote(url.path).lstrip("/").partition("/")
        if first in self._answers:
            route.fulfill(body=self._answers[first], content_type="application/json")
        elif first == "photographs" and rest.isdigit() and int(rest) < len(self._photographs):
            route.fulfill(path=self._photographs[int(rest)])
        elif first in ("pages", "packages"):
            root = PAGES if first == "pages" else self._packages
            path = (root / rest).resolve()
            if path.is_file() and path.is_relative_to(root):
                kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                route.fulfill(path=path, content_type=kind)
            else:
                route.fulfill(status=404)
        else:
            route.abort()


def _icons(packages: Path, name: str) -> dict[str, object]:
    """Return a part of a set of icons; whole sets are too long to read for each page."""
    found = json.loads((packages / "@iconify-json" / name / "icons.json").read_bytes())
    icons = [one for _, one in sorted(found["icons"].items()) if len(one["body"]) < _ICON_BYTES]
    width = found.get("width", 16)
    return {
        "icons": icons[:: max(1, len(icons) // _ICONS)],
        "width": width,
        "height": found.get("height", width),
    }


def _text() -> dict[str, list[str]]:
    """Return paragraphs and programs of Python's standard library."""
    modules = [importlib.import_module(name) for name in _TEXTS]
    docs = [inspect.getdoc(module) or "" for module in modules]
    for module in modules:
        docs += [
            inspect.getdoc(value) or ""
            for _, value in sorted(vars(module).items())
            if inspect.isfunction(value) or inspect.isclass(value)
        ]
    paragraphs = [
        re.sub(r"\s+", " ", part) for doc in docs for part in doc.split("\n\n") if len(part) > 150
    ]
    sources = [
        inspect.getsource(module)
        for module in modules
        if hasattr(module, "__file__") and str(module.__file__).endswith(".py")
    ]
    parts = [source[start : start + 6000] for source in sources for start in (0, 6000, 12000)]
    return {
        "paragraphs": sorted(set(paragraphs)),
        "sources": [part for part in parts if len(part) > 2000],
    }
