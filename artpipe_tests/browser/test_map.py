"""The map, in a real browser."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.web.export import export_site
from artpipe.web.links import ServedLinks

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
    return page.locator(".listed ol a").all_inner_texts()


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
    map_page.mouse.down()  # a click would move the pointer once more, perhaps onto a picture that has arrived since
    map_page.mouse.up()
    expect(map_page.get_by_role("heading", level=1)).to_have_text(pointed)


def draw_lasso(page: Page, title: str) -> None:
    x, y = place(page, title)
    page.get_by_role("button", name="Lasso").click()
    page.mouse.move(x - 12, y - 12)
    page.mouse.down()
    for dx, dy in ((12, -12), (12, 12), (-12, 12), (-12, -12)):
        page.mouse.move(x + dx, y + dy, steps=4)
    page.mouse.up()
    expect(page.locator(".listed h2")).to_contain_text("selected")


def test_what_is_inside_the_lasso_has_an_address_that_others_open(
    map_page: Page, context_with: Callable[..., BrowserContext]
):
    draw_lasso(map_page, "Colour no. 20")
    inside = listed(map_page)
    assert "Colour no. 20" in inside
    assert len(inside) < 60
    map_page.wait_for_url(re.compile("#.*corners="))
    other_visitor = context_with(viewport={"width": 1000, "height": 700}).new_page()
    other_visitor.goto(map_page.url)
    other_visitor.locator("[data-ready=yes]").wait_for()
    assert sorted(listed(other_visitor)) == sorted(inside)
    map_page.get_by_role("link", name="Open as a page").click()
    assert sorted(map_page.locator(".grid .title").all_inner_texts()) == sorted(inside)
    map_page.get_by_role("link", name="More like these").click()
    expect(map_page.get_by_role("heading", level=1)).to_contain_text("Looks like")


def test_the_timeline_narrows_the_map_and_is_part_of_the_address(map_page: Page):
    map_page.get_by_label("From year").fill("1540")
    expect(map_page.locator(".shown")).to_have_text("22 of 60 works pass the filters.")
    expect(map_page.get_by_role("button", name="Baroque 7")).to_be_visible()
    map_page.wait_for_url(re.compile("#.*year_from=1540"))
    map_page.reload()
    expect(map_page.locator(".shown")).to_have_text("22 of 60 works pass the filters.")
    map_page.get_by_role("button", name="Show all").click()
    expect(map_page.locator(".shown")).to_have_text("60 works.")


# How many pixels of a canvas are not transparent, right after it was drawn.
DRAWN = """(layer) => {
  const copy = new OffscreenCanvas(layer.width, layer.height).getContext('2d');
  draw();
  copy.drawImage(layer, 0, 0);
  return copy.getImageData(0, 0, layer.width, layer.height).data.filter((value, n) => n % 4 === 3 && value).length;
}"""


@pytest.mark.parametrize("has_webgl", [True, False])
def test_points_are_drawn_with_webgl_and_without(context_with: Callable[..., BrowserContext], has_webgl: bool):
    page = context_with(viewport={"width": 1000, "height": 700}).new_page()
    # The page itself takes no WebGL that runs on the processor, which is all that a machine without a GPU has.
    page.add_init_script(f"""
      const getContext = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, options) {{
        if (kind === 'webgl') return {str(has_webgl).lower()} ? getContext.call(this, kind, {{}}) : null;
        return getContext.call(this, kind, options);
      }};""")
    page.goto("/map")
    page.locator("[data-ready=yes]").wait_for()
    page.get_by_role("button", name="Pictures").click()
    assert page.evaluate("Boolean(points)") == has_webgl
    layer = page.locator("canvas.points" if has_webgl else "canvas[tabindex]")
    everything = layer.evaluate(DRAWN)
    assert everything > 500
    page.get_by_role("button", name="Baroque").click()
    page.evaluate("pen.clearRect(0, 0, 9999, 9999)")
    assert layer.evaluate(DRAWN) > 150


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
    map_page.get_by_role("button", name="Select works in view").click()
    expect(map_page.locator(".listed h2")).to_have_text("20 works selected")
    map_page.get_by_role("radio", name="type").check()
    expect(map_page.get_by_role("button", name="portrait 10")).to_be_visible()
    map_page.get_by_role("button", name="portrait").click()
    expect(map_page.locator(".listed h2")).to_have_text("10 works selected")
    expect(map_page.get_by_role("button", name="Rococo 10")).to_be_visible()


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
    map_page.locator("canvas[tabindex]").focus()
    previous = map_page.evaluate("[scale, left]")
    map_page.keyboard.press("+")
    map_page.keyboard.press("ArrowLeft")
    current = map_page.evaluate("[scale, left]")
    assert current[0] > previous[0]
    assert current[1] != previous[1]
    map_page.keyboard.press("Enter")
    expect(map_page.locator(".listed h2")).to_be_focused()
    map_page.keyboard.press("Tab")
    expect(map_page.get_by_role("link", name="Open as a page")).to_be_focused()
    map_page.keyboard.press("Enter")
    expect(map_page.get_by_role("heading", level=1)).to_have_text("A selection on the map")


def test_works_are_pictures_from_afar_and_larger_ones_from_near(map_page: Page):
    def wait_for(count_of: str, least: int) -> None:
        # The pages' own policy forbids what Playwright's wait_for_function does, so this polls.
        for _ in range(200):
            if map_page.evaluate(count_of) >= least:
                return
            map_page.wait_for_timeout(50)
        assert map_page.evaluate(count_of) >= least

    wait_for("pictured.length", 10)
    assert map_page.evaluate("[sheets.size, thumbnails.size]") == [1, 0]
    map_page.mouse.move(*place(map_page, "Colour no. 20"))
    map_page.mouse.wheel(0, -1100)
    wait_for("[...thumbnails.values()].filter((image) => image.naturalWidth).length", 1)


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


def test_an_exported_map_links_the_files_of_every_work(page: Page, served_lake: DataLake, tmp_path: Path):
    lake = DataLake(shutil.copytree(served_lake.local_root, tmp_path / "lake"))
    table = EmbeddingTable(lake, rights=True)
    table.prepare(3)
    rows = table.read().with_columns(vector=table.vectors()[1])
    table.upsert(rows.with_columns(is_open=pl.col("title") != "Colour no. 7"))
    site = tmp_path / "site"
    export_site(lake, site)
    page.goto((site / "map.html").as_uri())
    page.locator("[data-ready=yes]").wait_for()
    links = page.evaluate("works.ids.flatMap((_, i) => [workLink(i), imageLink(i)])")
    assert len(links) == 2 * rows.height
    assert links.count("static/closed.svg") == 1
    assert all((site / unquote(link)).is_file() for link in links)


def test_the_map_s_links_are_those_of_the_pages(map_page: Page):
    ids = ["a b/ü", ".", "..", "a/../b", "~.", "...", "tate:3"]
    links = map_page.evaluate("(ids) => { works.ids = ids; return ids.map((_, i) => workLink(i)); }", ids)
    assert [unquote(link) for link in links] == [unquote(ServedLinks().work(one)) for one in ids]
