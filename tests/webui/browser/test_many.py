"""Many pictures on the page: folders, the table, two side by side, links, paper."""

import csv
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.webui.browser.conftest import open_context
from tests.webui.browser.test_page import analyse, assert_accessible, assert_fits, shown


def analyse_folder(page: Page, folder: Path) -> Locator:
    """The rows of the table after choosing a folder of seven files and pressing Analyse."""
    page.set_input_files("#folder", folder)
    expect(page.locator("#chosen")).to_have_text("7 pictures chosen. 1 other file was left out.")
    page.get_by_role("button", name="Analyse").click()
    rows = page.locator("#history-rows tr")
    expect(rows).to_have_count(7)
    return rows


def column(page: Page, place: int) -> list[str]:
    return page.locator(f"#history-rows td:nth-child({place})").all_inner_texts()


def test_a_folder_becomes_a_table_that_sorts_filters_and_saves(page, pictures, shots):
    rows = analyse_folder(page, pictures["many"])
    expect(page.locator("article.result")).to_have_count(0)
    page.get_by_role("button", name="Picture", exact=True).click()
    expect(page.locator("th[data-key=path]")).to_have_attribute("aria-sort", "ascending")
    names = [f"many/inner/noon-{n}.jpg" for n in range(3)]
    names += [f"many/night-{n}.jpg" for n in range(3)]
    assert column(page, 2) == [*names, "many/page.png"]
    page.get_by_role("button", name="Probability", exact=True).click()
    assert [name for name in column(page, 2) if "noon" in name] == column(page, 2)[:3]
    page.get_by_role("button", name="Probability", exact=True).click()
    assert "night" in column(page, 2)[0]
    assert "page.png" in column(page, 2)[-1]  # without a probability, last in either order
    page.get_by_label("Name contains").fill("INNER")
    expect(rows).to_have_count(3)
    expect(page.locator("#history-count")).to_have_text("3 of 7 shown.")
    page.get_by_label("Name contains").fill("")
    page.get_by_label("Verdict").select_option("not read")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("a web page (HTML), not a picture")
    page.get_by_label("Verdict").select_option("all")
    assert_accessible(page)
    assert_fits(page)
    page.screenshot(path=shots / f"{page.size}-7-table.png", full_page=True)


def test_the_table_is_saved_as_csv(desktop, pictures):
    analyse_folder(desktop, pictures["many"])
    with desktop.expect_download() as download:
        desktop.get_by_role("button", name="Save as CSV").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as file:
        lines = {line["path"]: line for line in csv.DictReader(file)}
    noon = lines["many/inner/noon-1.jpg"]
    assert (noon["verdict"], noon["width"], noon["height"]) == ("forged", "384", "256")
    assert 0.7 < float(noon["probability"]) < 1
    assert "/results/" in noon["address"]
    assert lines["many/page.png"]["verdict"] == ""
    assert "not a picture" in lines["many/page.png"]["error"]


def test_a_folder_can_be_dropped(desktop, pictures):
    devtools = desktop.context.new_cdp_session(desktop)
    data = {"items": [], "files": [str(pictures["many"])], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 600, "y": 400, "data": data}
        devtools.send("Input.dispatchDragEvent", event)
    expect(desktop.locator("#chosen")).to_have_text("7 pictures chosen. 1 other file was left out.")
    expect(desktop.locator(".item-name").first).to_have_text("many/inner/noon-0.jpg")


def test_two_pictures_side_by_side(page, pictures, shots):
    analyse(page, pictures["noon"], pictures["night"])
    compare = page.get_by_role("button", name="Compare")
    expect(compare).to_be_disabled()
    for name in ("noon.jpg", "night.jpg"):
        page.get_by_label(f"Compare {name}").check()
    compare.click()
    cards = page.locator("article.result")
    expect(cards.locator("h2")).to_have_text(["noon.jpg", "night.jpg"])
    expect(cards.locator(".verdict")).to_have_text(["Signs of forgery", "No signs of forgery"])
    assert shown(cards.first, ".heat")
    assert shown(cards.last, ".heat")
    page.get_by_label("Zoom").fill("300")
    cards.first.locator(".stage").evaluate("e => e.scrollTo(200, 100)")
    expect(cards.last.locator(".stage")).to_have_js_property("scrollLeft", 200)
    assert_accessible(page)
    assert_fits(page)
    page.get_by_role("link", name="Noise").click()
    expect(page.locator(".view-noise")).to_have_count(2)
    assert not shown(cards.first, ".heat")
    assert_accessible(page)
    page.screenshot(path=shots / f"{page.size}-8-compare.png", full_page=True)


def test_two_pictures_side_by_side_without_javascript(browser, site, pictures):
    context = open_context(browser, "phone", java_script_enabled=False)
    page = context.new_page()
    page.goto(site)
    page.set_input_files("#file", [pictures["noon"], pictures["night"]])
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("button", name="Compare the two chosen").click()
    expect(page.locator("article.result .verdict")).to_have_count(2)
    page.get_by_role("link", name="Error levels").click()
    expect(page.locator(".view-ela")).to_have_count(2)
    context.close()


def test_a_result_has_a_link_until_it_is_deleted(browser, desktop, site, pictures):
    card = analyse(desktop, pictures["noon"])
    address = card.get_by_role("link", name="Link to this result").get_attribute("href")
    context = open_context(browser, "phone")
    other = context.new_page()
    other.goto(site + address)
    linked = other.locator("article.result")
    expect(linked.locator(".verdict")).to_have_text("Signs of forgery")
    linked.get_by_role("link", name="Noise").click()
    expect(linked.locator(".view-noise")).to_be_visible()
    expect(linked.locator(".feedback")).to_have_count(0)
    assert_accessible(other)
    assert_fits(other)
    card.get_by_role("button", name="Delete now").click()
    expect(card).to_have_count(0)
    expect(desktop.locator("#history-rows tr")).to_have_count(0)
    linked.get_by_role("link", name="Block grid").click()
    expect(linked.locator(".view-status")).to_contain_text("kept for 60 minutes")
    other.reload()
    expect(other.locator(".error")).to_contain_text("Analyse the picture again")
    context.close()


def test_a_result_is_printed_whole_and_without_what_can_be_pressed(desktop, pictures, shots):
    card = analyse(desktop, pictures["noon"])
    desktop.emulate_media(media="print")
    for part in (".verdict", ".scale", ".stage", ".map-scale", ".facts dl", ".hash"):
        expect(card.locator(part).first).to_be_visible()
    for part in (".views", ".controls", ".actions", ".delete", ".feedback"):
        expect(card.locator(part).first).to_be_hidden()
    expect(desktop.locator(".drop")).to_be_hidden()
    assert (
        desktop.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    pages = desktop.pdf(path=shots / "printed.pdf", format="A4")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pages)) <= 3
