"""The map, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from artpipe.lake.paths import DataLake
from artpipe.web.export import export_site

# Where a work stands on the screen, found as the page itself finds it.
PLACE = """(title) => {
  const i = works.titles.indexOf(title);
  const box = canvas.getBoundingClientRect();
  return [box.left + screenX(i), box.top + screenY(i)];
}"""


@pytest.fixture
def atlas(page: Page) -> Page:
    page.goto("/map")
    page.locator("[data-ready=yes]").wait_for()
    return page


def place(page: Page, title: str) -> tuple[float, float]:
    x, y = page.evaluate(PLACE, title)
    return x, y


def listed(page: Page) -> list[str]:
    return page.locator(".listed a").all_inner_texts()


def wait_for_rest(page: Page) -> None:
    """The view moves no more, and the address tells it."""
    seen: list[str] = []
    while len(seen) < 2 or seen[-1] != seen[-2]:
        page.wait_for_timeout(600)
        seen.append(page.evaluate("[location.hash, scale, left, top_].join()"))


def test_a_click_on_a_point_opens_the_work(atlas: Page):
    x, y = place(atlas, "Colour no. 7")
    atlas.mouse.move(x, y)
    expect(atlas.locator(".tooltip")).to_be_visible()
    pointed = atlas.locator(".tooltip .title").inner_text()
    atlas.mouse.click(x, y)
    expect(atlas.get_by_role("heading", level=1)).to_have_text(pointed)


def test_the_lasso_lists_what_is_inside(atlas: Page):
    x, y = place(atlas, "Colour no. 20")
    atlas.get_by_role("button", name="Lasso").click()
    atlas.mouse.move(x - 12, y - 12)
    atlas.mouse.down()
    for dx, dy in ((12, -12), (12, 12), (-12, 12), (-12, -12)):
        atlas.mouse.move(x + dx, y + dy, steps=4)
    atlas.mouse.up()
    expect(atlas.locator(".listed h2")).to_contain_text("inside the lasso")
    assert "Colour no. 20" in listed(atlas)
    assert len(listed(atlas)) < 60


def test_on_a_phone_what_is_inside_the_lasso_comes_into_view(context_with: Callable[..., BrowserContext]):
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


def test_words_mark_what_is_called_that(atlas: Page):
    atlas.get_by_label("Find on the map").fill("cafe")
    atlas.get_by_role("button", name="Find").click()
    expect(atlas.locator(".listed h2")).to_have_text("1 found")
    assert listed(atlas) == ["A Café <at> Night & Day"]


def test_search_hits_are_marked_on_the_map(page: Page):
    page.goto("/search?words=moon")
    page.get_by_role("link", name="Show these on the map").click()
    page.locator("[data-ready=yes]").wait_for()
    expect(page.locator(".listed h2")).to_have_text("20 marked")


def test_the_legend_picks_a_class_and_another_task_recolours(atlas: Page):
    atlas.get_by_role("button", name="Baroque").click()
    atlas.get_by_role("button", name="List works in view").click()
    expect(atlas.locator(".listed h2")).to_have_text("20 in view")
    atlas.get_by_role("radio", name="type").check()
    expect(atlas.get_by_role("button", name="portrait 30")).to_be_visible()
    expect(atlas.get_by_role("button", name="Baroque")).to_be_hidden()


def test_what_is_in_view_has_an_address(atlas: Page):
    atlas.get_by_role("radio", name="period").check()
    for _ in range(3):
        atlas.get_by_role("button", name="Zoom in").click()
    atlas.wait_for_url(re.compile("#.*by=period"))
    wait_for_rest(atlas)
    view = "[Math.round(scale * 1e4), Math.round(left), Math.round(top_), by]"
    before = atlas.evaluate(view)
    atlas.goto("/")
    atlas.go_back()
    atlas.locator("[data-ready=yes]").wait_for()
    after = atlas.evaluate(view)
    assert after[3] == "period"
    assert after[:3] == pytest.approx(before[:3], rel=0.02, abs=3)


def test_the_keyboard_moves_zooms_and_lists(atlas: Page):
    atlas.locator("canvas").focus()
    before = atlas.evaluate("[scale, left]")
    atlas.keyboard.press("+")
    atlas.keyboard.press("ArrowLeft")
    after = atlas.evaluate("[scale, left]")
    assert after[0] > before[0]
    assert after[1] != before[1]
    atlas.keyboard.press("Enter")
    expect(atlas.locator(".listed h2")).to_be_focused()
    atlas.keyboard.press("Tab")
    assert "/works/" in atlas.evaluate("document.activeElement.href")


def test_near_enough_the_points_become_pictures(atlas: Page):
    atlas.mouse.move(*place(atlas, "Colour no. 20"))
    with atlas.expect_response(re.compile(r"/images/.*\.jpg\?w=160")) as answer:
        atlas.mouse.wheel(0, -900)
    assert answer.value.ok
    # The pages' own policy forbids what Playwright's wait_for_function does, so this asks again and again.
    drawn = "[...thumbnails.values()].filter((image) => image.naturalWidth).length"
    for _ in range(200):
        if atlas.evaluate(drawn) > 1:
            break
        atlas.wait_for_timeout(50)
    assert atlas.evaluate(drawn) > 1


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
