"""Takes the README's picture of the page: `python -m tests.webui.browser.readme_picture URL FILE`.

URL is a running page (`make serve`). The picture shown is the clearest of some forgeries that the
demo generates from another seed than training's.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from forgery.client import Client
from forgery_lab.sources import demo
from tests.webui.browser.conftest import find_chromium

SEED, COUNT = 77, 60
WIDTH, HEIGHT = 1180, 880


def clearest(client: Client, folder: Path) -> Path:
    """Return the generated forgery with the highest probability."""
    demo.write(folder, seed=SEED, count=COUNT)
    forged = sorted((folder / "Tp").iterdir())
    return max(forged, key=lambda path: client.score([path.read_bytes()])[0].probability or 0)


def shoot(url: str, picture: Path) -> bytes:
    """Return a PNG of the page with the answer for a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(url)
        page.set_input_files("#file", picture)
        page.get_by_role("button", name="Analyse").click()
        page.locator("article.result").wait_for()
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_timeout(500)
        png = page.screenshot()
        browser.close()
    return png


def main(url: str, target: Path) -> None:
    """Write the picture, with few enough colours for a repository."""
    with tempfile.TemporaryDirectory() as folder:
        png = shoot(url, clearest(Client(url), Path(folder) / "demo"))
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
