"""Every flow of the page, in a real Chromium."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from forgery.evidence.views import VIEWS
from tests.webui.browser.conftest import open_context, start_page
from tests.webui.pictures import picture
from tests.webui.server.test_gunicorn import SlowScoring
from tests.webui.servers import free_port


def analyse(page: Page, *files: Path) -> Locator:
    """The newest result card after choosing the files and pressing Analyse."""
    page.set_input_files("#file", list(files))
    page.get_by_role("button", name="Analyse").click()
    cards = page.locator("article.result")
    expect(cards).to_have_count(len(files))
    return cards.first


def assert_accessible(page: Page) -> None:
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def shown(card: Locator, selector: str) -> bool:
    return card.locator(selector).evaluate("e => getComputedStyle(e).visibility") == "visible"


def test_from_choosing_to_the_verdicts(page, pictures, shots):
    assert_accessible(page)
    page.screenshot(path=shots / f"{page.size}-1-start.png")

    page.set_input_files("#file", [pictures[n] for n in ("night", "noon", "notes", "large")])
    items = page.locator(".item")
    expect(items).to_have_count(4)
    expect(items.nth(3)).to_contain_text("Larger than 1.0 MB.")
    expect(items.first.locator("img")).to_have_js_property("naturalWidth", 384)
    assert_accessible(page)
    page.screenshot(path=shots / f"{page.size}-2-chosen.png")

    page.get_by_role("button", name="Analyse").click()
    cards = page.locator("article.result")
    expect(cards).to_have_count(2)
    expect(items).to_have_count(2)
    expect(items.filter(has_text="notes.png")).to_contain_text("a web page (HTML), not a picture")
    night = cards.filter(has_text="night.jpg")
    noon = cards.filter(has_text="noon.jpg")
    expect(night.locator(".verdict")).to_have_text("No signs of forgery")
    expect(noon.locator(".verdict")).to_have_text("Signs of forgery")
    expect(noon).to_contain_text("30 % to 70 %: no decision")
    expect(noon.locator(".probability")).to_contain_text(re.compile(r"[789]\d %"))
    assert_accessible(page)
    assert_fits(page)
    page.screenshot(path=shots / f"{page.size}-3-results.png", full_page=True)


def test_map_mask_views_zoom_and_facts(page, pictures, shots):
    card = analyse(page, pictures["noon"])
    assert shown(card, ".heat")
    card.get_by_label("Opacity").fill("35")
    assert card.locator(".heat").evaluate("e => e.style.opacity") == "0.35"
    card.get_by_text("Mask", exact=True).click()
    assert shown(card, ".mask")
    assert not shown(card, ".heat")
    card.get_by_label("Zoom").fill("300")
    assert card.locator(".stage").evaluate("e => e.scrollWidth > 2.5 * e.clientWidth")
    card.get_by_label("Zoom").fill("100")
    for name, view in VIEWS.items():
        card.get_by_role("link", name=view.title).click()
        expect(card.locator(f".view-{name}")).to_be_visible()
        expect(card.locator(".view:visible")).to_have_count(1)
        assert not shown(card, ".mask")
        expect(card.locator(f".explain-{name}")).to_be_visible()
        card.locator(".viewer").screenshot(path=shots / f"{page.size}-4-{name}.png")
    card.get_by_text("File facts").click()
    expect(card).to_contain_text("libjpeg, quality 88")
    card.get_by_text("Quantisation tables").click()
    assert_accessible(page)
    assert_fits(page)
    card.screenshot(path=shots / f"{page.size}-5-facts.png")


def test_the_quality_slider_draws_the_error_levels_anew(desktop, pictures):
    card = analyse(desktop, pictures["noon"])
    card.get_by_role("link", name="Error levels").click()
    view = card.locator(".view-ela")
    before = view.get_attribute("src")
    card.get_by_label("Save quality").fill("60")
    expect(card.locator(".ela-quality output")).to_have_text("60")
    expect(view).not_to_have_attribute("src", before)
    expect(card.get_by_role("link", name="PDF report")).to_have_attribute(
        "href", re.compile("ela_quality=60")
    )


def test_reports_are_downloaded(desktop, pictures):
    card = analyse(desktop, pictures["noon"])
    with desktop.expect_download() as download:
        card.get_by_role("link", name="PDF report").click()
    assert download.value.suggested_filename == "noon-report.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    with desktop.expect_download() as download:
        card.get_by_role("link", name="JSON").click()
    analysis = json.loads(Path(download.value.path()).read_text())
    assert analysis["headline"] == "Signs of forgery"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_pictures_may_be_dropped_and_pasted(desktop, pictures, kind):
    desktop.evaluate(
        """([kind, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], `${kind}.jpg`, { type: "image/jpeg" }));
            const event = kind === "drop"
                ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
            document.body.dispatchEvent(event);
        }""",
        [kind, base64.b64encode(pictures["night"].read_bytes()).decode()],
    )
    expect(desktop.locator(".item")).to_contain_text(f"{kind}.jpg")


def test_progress_is_shown_and_an_upload_can_be_cancelled(desktop, pictures, tmp_path):
    large = tmp_path / "slow.jpg"
    large.write_bytes(pictures["noon"].read_bytes() + bytes(900_000))
    network = desktop.context.new_cdp_session(desktop)
    network.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 20, "downloadThroughput": 10**6, "uploadThroughput": 20_000},
    )
    desktop.set_input_files("#file", large)
    desktop.get_by_role("button", name="Analyse").click()
    item = desktop.locator(".item")
    expect(item).to_contain_text("Uploading…")
    expect(item.locator("progress")).to_be_visible()
    item.get_by_role("button", name="Cancel slow.jpg").click()
    expect(item).to_have_count(0)
    expect(desktop.locator("article.result")).to_have_count(0)


def test_history_lives_in_the_tab_and_can_be_forgotten(desktop, pictures):
    analyse(desktop, pictures["noon"])
    desktop.reload()
    row = desktop.locator("#history-rows tr")
    expect(row).to_contain_text("noon.jpg")
    expect(row).to_contain_text("Signs of forgery")
    desktop.get_by_role("button", name="Clear this list").click()
    expect(row).to_have_count(0)
    desktop.reload()
    expect(desktop.locator("#history")).to_be_hidden()


def test_feedback_needs_consent_and_takes_marked_places(page, pictures, shots):
    card = analyse(page, pictures["noon"])
    card.get_by_text("Is this answer right?").click()
    card.get_by_label("It is altered, and I know where").check()
    card.get_by_role("button", name="Send").click()  # the browser asks for the consent first
    expect(card.locator(".feedback-status")).to_be_empty()
    layers = card.locator(".layers")
    layers.scroll_into_view_if_needed()
    box = layers.bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    for name, value in {"Left": "5", "Top": "5", "Right": "15", "Bottom": "20"}.items():
        card.get_by_label(name, exact=True).fill(value)
    card.get_by_role("button", name="Add").click()
    expect(card.locator(".boxes")).to_have_text("2 places marked.")
    card.screenshot(path=shots / f"{page.size}-6-feedback.png")
    assert_accessible(page)
    card.get_by_role("checkbox").check()
    card.get_by_role("button", name="Send").click()
    expect(card.locator(".feedback-status")).to_contain_text("Thank you. Your receipt is")


def test_an_inconclusive_answer_may_be_right_and_the_truth_is_asked_for(desktop, tmp_path):
    grey = tmp_path / "grey.jpg"
    grey.write_bytes(picture(128))
    card = analyse(desktop, grey)
    expect(card.locator(".verdict")).to_have_text("Inconclusive")
    card.get_by_text("Is this answer right?").click()
    card.get_by_label("The answer is right").check()
    card.get_by_label("genuine").check()
    card.get_by_role("checkbox").check()
    card.get_by_role("button", name="Send").click()
    expect(card.locator(".feedback-status")).to_contain_text("Thank you. Your receipt is")


def test_where_a_script_does_not_load_the_plain_form_stays(browser, site, pictures):
    context = open_context(browser, "desktop")
    page = context.new_page()
    page.route("**/js/item.js", lambda route: route.abort())
    page.goto(site)
    page.set_input_files("#file", pictures["noon"])
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator("article.result .verdict")).to_have_text("Signs of forgery")
    assert page.url.endswith("/predict")
    context.close()


def test_the_keyboard_is_enough(desktop, pictures):
    # Playwright takes choosers over from the first listener on, and does not wait until it has.
    desktop.on("filechooser", lambda chooser: None)
    desktop.keyboard.press("Tab")
    expect(desktop.get_by_text("Skip to the content")).to_be_focused()
    desktop.locator("#file").focus()
    with desktop.expect_file_chooser() as chooser:
        desktop.keyboard.press("Enter")
    chooser.value.set_files(pictures["noon"])
    desktop.get_by_role("button", name="Analyse").focus()
    desktop.keyboard.press("Enter")
    card = desktop.locator("article.result")
    card.get_by_role("link", name="Picture").focus()
    desktop.keyboard.press("Tab")
    desktop.keyboard.press("Enter")
    expect(card.locator(".view-ela")).to_be_visible()
    card.locator(".stage").focus()
    expect(card.locator(".stage")).to_be_focused()
    card.get_by_text("File facts").focus()
    desktop.keyboard.press("Enter")
    expect(card.locator("dl").first).to_be_visible()


def test_without_javascript_the_plain_form_works(browser, site, pictures, shots):
    context = open_context(browser, "phone", java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.set_input_files("#file", [pictures["noon"], pictures["notes"]])
    page.get_by_role("button", name="Analyse").click()
    cards = page.locator("article.result")
    expect(cards).to_have_count(2)
    expect(cards.first.locator(".verdict")).to_have_text("Signs of forgery")
    expect(cards.nth(1)).to_contain_text("not a picture")
    page.screenshot(path=shots / "no-javascript.png", full_page=True)
    cards.first.get_by_role("link", name="Noise").click()
    expect(page.locator(".view-noise")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF report").click()
    assert download.value.suggested_filename == "noon-report.pdf"
    page.goto(site)
    page.set_input_files("#file", pictures["notes"])
    page.get_by_role("button", name="Analyse").click()
    expect(page.locator(".error")).to_contain_text("not a picture")
    page.goto(site)
    page.set_input_files("#file", pictures["noon"])
    with page.expect_download() as download:
        page.get_by_role("button", name="PDF report").click()
    assert download.value.suggested_filename == "noon-report.pdf"
    context.close()


@pytest.fixture
def scoring_that_dies(tmp_path: Path) -> Iterator[tuple[str, int, ThreadingHTTPServer]]:
    """A page whose scoring server a test may kill and start again."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowScoring)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    port = free_port()
    with start_page(port, f"http://127.0.0.1:{server.server_port}", tmp_path / "web.log"):
        yield f"http://127.0.0.1:{port}", server.server_port, server


def test_a_scoring_server_killed_in_the_middle_of_an_upload(
    browser: Browser, scoring_that_dies, pictures, shots
):
    site, port, server = scoring_that_dies
    context = open_context(browser, "desktop")
    page = context.new_page()
    page.goto(site)
    network = context.new_cdp_session(page)
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1}
    slow = conditions | {"uploadThroughput": 20_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#file", pictures["large"])
    page.get_by_role("button", name="Analyse").click()
    item = page.locator(".item")
    expect(item).to_contain_text("Uploading…")
    server.shutdown()
    server.server_close()
    network.send("Network.emulateNetworkConditions", conditions | {"uploadThroughput": -1})
    expect(item).to_contain_text("The scoring server cannot be reached.")
    page.screenshot(path=shots / "scoring-server-killed.png")

    with ThreadingHTTPServer(("127.0.0.1", port), SlowScoring) as again:
        threading.Thread(target=again.serve_forever, args=(0.02,), daemon=True).start()
        item.get_by_role("button", name="Try large.jpg again").click()
        expect(page.locator("article.result .verdict")).to_have_text("No signs of forgery")
        again.shutdown()
    context.close()


def test_the_api_page_is_accessible(desktop, site, shots):
    desktop.goto(f"{site}/docs")
    expect(desktop.get_by_role("heading", name="POST /v1/analyze")).to_be_visible()
    assert_accessible(desktop)
    desktop.screenshot(path=shots / "api.png")
