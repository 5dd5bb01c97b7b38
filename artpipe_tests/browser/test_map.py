"""The map, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from artpipe.lake.paths import DataLake
from artpipe.web.export import export_site

# Where a work is on the screen, by the page's own functions.
PLACE = """(title) => {
  const i = works.titles.indexOf(title);
  const box = canvas.getBoundingClientRect();
  return [box.left + screenX(i), box.top + screenY(i)];
}"""


@pytest.fixture
def map_page(page: Page) -> Page:
    page.goto("/map")
    page.locator("[data-ready=yes]").wait_for()
    return page


def place(page: Page, title: str) -> tuple[float, float]:
    x, y = page.evaluate(PLACE, title)
    return x, y


def listed(page: Page) -> list[str]:
    return page.locator(".listed a").all_inner_texts()


def wait_for_rest(page: Page) -> None:
    """Until the view has stopped moving and is in the address, which follows it by 250 ms."""
    previous = ""
    for _ in range(50):
        page.wait_for_timeout(300)
        view = page.evaluate("[location.hash, scale, left, top_].join()")
        if view == previous:
            return
        previous = view
    raise AssertionError("the view of the map did not come to rest")


def test_a_click_on_a_point_opens_the_work(map_page: Page):
    x, y = place(map_page, "Colour no. 7")
    map_page.mouse.move(x, y)
    expect(map_page.locator(".tooltip")).to_be_visible()
    pointed = map_page.locator(".tooltip .title").inner_text()
    map_page.mouse.click(x, y)
    expect(map_page.get_by_role("heading", level=1)).to_have_text(pointed)


def test_the_lasso_lists_what_is_inside(map_page: Page):
    x, y = place(map_page, "Colour no. 20")
    map_page.get_by_role("button", name="Lasso").click()
    map_page.mouse.move(x - 12, y - 12)
    map_page.mouse.down()
    for dx, dy in ((12, -12), (12, 12), (-12, 12), (-12, -12)):
        map_page.mouse.move(x + dx, y + dy, steps=4)
    map_page.mouse.up()
    expect(map_page.locator(".listed h2")).to_contain_text("inside the lasso")
    assert "Colour no. 20" in listed(map_page)
    assert len(listed(map_page)) < 60


def test_on_a_phone_the_page_scrolls_to_the_works_inside_the_lasso(context_with: Callable[..., BrowserContext]):
    page = context_with(viewport={"width": 390, "height": 844}).new_page()
    page.goto("/map")
    page.locator("[data-ready=yes]").wait_for()
    x, y = place(page, "Colour no. 20")
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(x, y)
    expect(page.locator(".tooltip")).to_be_visible()
    page.mouse.move(x - 12, y - 12)
    page.mouse.down()
    expect(page.locator(".tooltip")).to_be_hidden()
    for dx, dy in ((12, -12), (12, 12), (-12, 12)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    expect(page.locator(".listed h2")).to_be_in_viewport()


def test_words_mark_works_with_that_title(map_page: Page):
    map_page.get_by_label("Find on the map").fill("cafe")
    map_page.get_by_role("button", name="Find").click()
    expect(map_page.locator(".listed h2")).to_have_text("1 found")
    assert listed(map_page) == ["A Café <at> Night & Day"]


def test_search_hits_are_marked_on_the_map(page: Page):
    page.goto("/search?words=moon")
    page.get_by_role("link", name="Show on the map").click()
    page.locator("[data-ready=yes]").wait_for()
    expect(page.locator(".listed h2")).to_have_text("20 marked")


def test_the_legend_picks_a_class_and_another_task_recolours(map_page: Page):
    map_page.get_by_role("button", name="Baroque").click()
    map_page.get_by_role("button", name="List works in view").click()
    expect(map_page.locator(".listed h2")).to_have_text("20 in view")
    map_page.get_by_role("radio", name="type").check()
    expect(map_page.get_by_role("button", name="portrait 30")).to_be_visible()
    expect(map_page.get_by_role("button", name="Baroque")).to_be_hidden()


def test_the_view_is_part_of_the_address(map_page: Page):
    map_page.get_by_role("radio", name="period").check()
    for _ in range(3):
        map_page.get_by_role("button", name="Zoom in").click()
    map_page.wait_for_url(re.compile("#.*by=period"))
    wait_for_rest(map_page)
    view = "[Math.round(scale * 1e4), Math.round(left), Math.round(top_), by]"
    previous = map_page.evaluate(view)
    map_page.goto("/")
    map_page.go_back()
    map_page.locator("[data-ready=yes]").wait_for()
    current = map_page.evaluate(view)
    assert current[3] == "period"
    assert current[:3] == pytest.approx(previous[:3], rel=0.02, abs=3)


def test_the_keyboard_moves_zooms_and_lists(map_page: Page):
    map_page.locator("canvas").focus()
    previous = map_page.evaluate("[scale, left]")
    map_page.keyboard.press("+")
    map_page.keyboard.press("ArrowLeft")
    current = map_page.evaluate("[scale, left]")
    assert current[0] > previous[0]
    assert current[1] != previous[1]
    map_page.keyboard.press("Enter")
    expect(map_page.locator(".listed h2")).to_be_focused()
    map_page.keyboard.press("Tab")
    assert "/works/" in map_page.evaluate("document.activeElement.href")


def test_zooming_in_replaces_points_by_pictures(map_page: Page):
    map_page.mouse.move(*place(map_page, "Colour no. 20"))
    with map_page.expect_response(re.compile(r"/images/.*\.jpg\?w=160")) as answer:
        map_page.mouse.wheel(0, -900)
    assert answer.value.ok
    # The pages' own policy forbids what Playwright's wait_for_function does, so this polls.
    drawn = "[...thumbnails.values()].filter((image) => image.naturalWidth).length"
    for _ in range(200):
        if map_page.evaluate(drawn) > 1:
            return
        map_page.wait_for_timeout(50)
    assert map_page.evaluate(drawn) > 1


def test_on_a_phone_a_tap_shows_the_work_and_a_second_opens_it(context_with: Callable[..., BrowserContext]):
    page = context_with(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True).new_page()
    page.goto("/map")
    page.locator("[data-ready=yes]").wait_for()
    x, y = place(page, "Colour no. 30")
    page.touchscreen.tap(x, y)
    card = page.locator(".tooltip.pinned")
    expect(card).to_be_visible()
    title = card.locator(".title").inner_text()
    card.tap()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_an_exported_map_works_from_a_folder_without_a_server(page: Page, served_lake: DataLake, tmp_path: Path):
    export_site(served_lake, tmp_path / "site")
    page.goto((tmp_path / "site/index.html").as_uri())
    page.get_by_role("link", name="Map", exact=True).click()
    page.locator("[data-ready=yes]").wait_for()
    page.mouse.click(*place(page, "Colour no. 7"))
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Colour no. "))
    assert page.evaluate("[...document.images].filter((one) => one.complete && !one.naturalWidth).length") == 0
