import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from forgery_lab.forgeries import scenes
from tests.webui.pictures import encode
from tests.webui.servers import free_port, process

PATIENCE = 60_000
"""Milliseconds until something that is waited for counts as missing; a busy machine needs some."""
expect.set_options(timeout=PATIENCE)

SIZES = {"desktop": (1280, 900), "phone": (360, 740)}


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One real Chromium for all tests."""
    with sync_playwright() as playwright:
        path = find_chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            pytest.skip("no Chromium here: install the Debian package chromium, or set CHROMIUM")
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def start_page(port: int, scoring_url: str, log: Path, **settings: str):
    """The application under gunicorn, as production runs it."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:webui.server.gunicorn_settings"]
    environment = {"PORT": str(port), "SCORING_URL": scoring_url, **settings}
    target = "webui.application:create_app()"
    return process([*command, target], f"http://127.0.0.1:{port}/livez", log, **environment)


@pytest.fixture(scope="session")
def site(scoring_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the page in front of the real scoring server."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    settings = {"MAX_UPLOAD_MB": "1", "FEEDBACK_DB": str(folder / "feedback.db")}
    with start_page(port, scoring_server, folder / "web.log", **settings):
        yield f"http://127.0.0.1:{port}"


def open_context(browser: Browser, size: str, **options: object) -> BrowserContext:
    width, height = SIZES[size]
    options.setdefault("color_scheme", "light" if size == "desktop" else "dark")
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture(params=SIZES)
def page(request: pytest.FixtureRequest, browser: Browser, site: str) -> Iterator[Page]:
    """The page at desktop size in light and at phone size in dark colours; no script may fail."""
    context = open_context(browser, request.param)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfinished", lambda r: r.url.startswith((site, "blob:", "data:")) or foreign(r))

    def foreign(request: object) -> None:
        problems.append(f"fetched from elsewhere: {request}")

    page.goto(site)
    page.size = request.param
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def desktop(browser: Browser, site: str) -> Iterator[Page]:
    """The page at desktop size only."""
    context = open_context(browser, "desktop")
    page = context.new_page()
    page.goto(site)
    yield page
    context.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; continuous integration sets SCREENSHOTS and keeps them."""
    folder = Path(os.environ.get("SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Made photographs: `night` is scored as authentic, `noon` as forged; `notes` is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {}
    for name, category, level in (("night", "nat", 0.25), ("noon", "arc", 1.0)):
        pixels = scenes.render(category, np.random.default_rng(7), 256, 384).astype(float)
        pixels = pixels * level if level < 1 else 255 - (255 - pixels) * 0.35
        made[name] = folder / f"{name}.jpg"
        made[name].write_bytes(encode(pixels.astype(np.uint8), quality=88))
    many = folder / "many"
    (many / "inner").mkdir(parents=True)
    for number in range(3):
        (many / f"night-{number}.jpg").write_bytes(made["night"].read_bytes())
        (many / "inner" / f"noon-{number}.jpg").write_bytes(made["noon"].read_bytes())
    (many / "page.png").write_text("<!doctype html>")
    (many / "list.txt").write_text("no picture by its name")
    made["many"] = many
    made["notes"] = folder / "notes.png"
    made["notes"].write_text("<!doctype html><p>not a picture</p>")
    made["large"] = folder / "large.jpg"
    made["large"].write_bytes(made["noon"].read_bytes() + bytes(2**20))
    return made
