"""The page in front of a real detector, in both colour schemes and at both sizes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import encoded, picture
from tests.webui.browser.conftest import SIZES, open_context, start_page
from tests.webui.browser.test_page import analyse, assert_accessible, assert_fits, shown
from tests.webui.servers import free_port


@pytest.fixture(scope="module")
def detector_site(scoring_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the page in front of a real detector."""
    folder, port = tmp_path_factory.mktemp("detector-site"), free_port()
    settings = {"FEEDBACK_DB": str(folder / "feedback.db")}
    with start_page(port, scoring_server, folder / "web.log", **settings):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")])
def page(request: pytest.FixtureRequest, browser: Browser, detector_site: str) -> Iterator[Page]:
    size, scheme = request.param
    context = open_context(browser, size, color_scheme=scheme)
    page = context.new_page()
    page.goto(detector_site)
    page.name = f"detector-{size}-{scheme}"
    yield page
    context.close()


def test_verdict_band_map_and_evidence(page, pictures, shots):
    card = analyse(page, pictures["noon"], pictures["night"])
    expect(page.locator(".result h2")).to_have_text(["noon.jpg", "night.jpg"])
    expect(card.locator("h2")).to_be_in_viewport()
    expect(card.locator(".verdict")).to_have_text("Signs of forgery")
    expect(card.locator(".zones")).to_contain_text("30 % to 70 %: no decision")
    assert shown(card, ".heat")
    card.get_by_role("link", name="Tell why").click()
    expect(card.locator(".why")).to_contain_text("Grain and error levels")
    page.screenshot(path=shots / f"{page.name}-1-top.png")
    for summary in card.locator("details > summary").all():
        if summary.is_visible():
            summary.click()
    assert_accessible(page)
    assert_fits(page)
    page.screenshot(path=shots / f"{page.name}-2-all.png", full_page=True)


def test_a_single_picture_tells_why_by_itself_and_without_javascript_by_a_link(
    browser, detector_site, pictures
):
    context = open_context(browser, "desktop")
    page = context.new_page()
    page.goto(detector_site)
    card = analyse(page, pictures["noon"])
    expect(card.locator(".why")).to_contain_text("Grain and error levels")
    address = card.locator("a.link").get_attribute("href")
    context.close()
    context = open_context(browser, "phone", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{detector_site}{address}")
    page.get_by_role("link", name="Tell why").click()
    expect(page.locator(".why")).to_contain_text("Grain and error levels")
    context.close()


def test_a_picture_that_the_method_cannot_judge_says_so(browser, detector_site, tmp_path):
    small = tmp_path / "small.png"
    small.write_bytes(encoded(picture(50, 50), "PNG"))
    context = open_context(browser, "phone")
    page = context.new_page()
    page.goto(detector_site)
    card = analyse(page, small)
    expect(card.locator(".verdict")).to_have_text("Too small to judge")
    expect(card.locator(".scale")).to_have_count(0)
    assert_accessible(page)
    context.close()
