"""What a visitor does, in a real browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

ADDRESSES = {
    "search": "/",
    "results": "/search?words=colour",
    "like": "/search?like=d%2Fdurer%2Fwork001&style=Baroque",
    "like several": "/search?like=d%2Fdurer%2Fwork001&like=d%2Fdurer%2Fwork002&unlike=m%2Fmoon%2Fwork050",
    "no result": "/search?words=qwerty",
    "painting": "/works/d/durer/work001",
    "artist": "/artists/d/durer",
    "artists": "/artists",
    "collection": "/collection",
    "map": "/map",
    "api": "/api",
    "not there": "/works/nobody/nothing",
}


def titles(page: Page) -> list[str]:
    return page.locator(".grid .title").all_inner_texts()


def wait_for_map(page: Page) -> None:
    page.locator("[data-ready=yes]").wait_for()


def test_axe_finds_no_problem_on_any_page_in_either_colour_scheme(page: Page, red_picture: Path, grey_picture: Path):
    addresses = dict(ADDRESSES)
    for picture in (red_picture, grey_picture):
        page.goto("/")
        page.set_input_files("input[type=file]", picture)
        page.wait_for_url("**/search?image=*")
        addresses[f"results of {picture.name}"] = page.url
    found: list[str] = []
    for name, address in addresses.items():
        page.goto(address)
        if name == "map":
            wait_for_map(page)
        # Of the rules, only contrast depends on the colour scheme.
        for scheme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            # Without the nodes of rules that pass, axe takes half the time.
            checked = Axe().run(page, options={"resultTypes": ["violations"], **rules}).response
            assert checked["passes"] or checked["violations"]
            for violation in checked["violations"]:
                targets = [node["target"] for node in violation["nodes"]][:3]
                found.append(f"{name}, {scheme}: {violation['id']} {targets}")
    assert found == []


@pytest.fixture(scope="module")
def phone(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(
        base_url=address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_page_is_wider_than_a_phone(phone: Page, name: str):
    phone.goto(ADDRESSES[name])
    if name == "results":
        phone.get_by_text("Download", exact=True).click()
        expect(phone.get_by_role("link", name="All results as CSV")).to_be_in_viewport()
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("name", ["results", "like several", "painting"])
def test_a_title_without_a_space_is_no_wider_than_a_phone(phone: Page, name: str):
    phone.goto(ADDRESSES[name])
    phone.evaluate("for (const one of document.querySelectorAll('h1, .title, .by')) one.textContent = 'Ö'.repeat(150)")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_picture_out_of_distribution_is_marked_for_everyone_with_its_address(
    page: Page, context_with: Callable[..., BrowserContext], grey_picture: Path
):
    page.goto("/")
    page.set_input_files("input[type=file]", grey_picture)
    page.wait_for_url("**/search?image=*")
    other_visitor = context_with(viewport={"width": 390, "height": 844}).new_page()
    other_visitor.goto(page.url)
    for one in (page, other_visitor):
        expect(one.get_by_role("heading", name="Unlike anything in this collection")).to_be_visible()
        expect(one.locator(".predictions .unsure")).to_have_count(2)
    assert other_visitor.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_picture_that_is_chosen_leads_to_its_results(page: Page, red_picture: Path):
    page.goto("/")
    page.set_input_files("input[type=file]", red_picture)
    expect(page.get_by_role("heading", level=1)).to_have_text("Looks like your picture")
    expect(page.locator("img.preview")).to_be_visible()
    expect(page.locator(".predictions")).to_contain_text("Renaissance")
    assert titles(page)[0] in ("A Café <at> Night & Day", "Colour no. 1")


def test_the_address_of_a_picture_s_results_can_be_shared(
    page: Page, context_with: Callable[..., BrowserContext], red_picture: Path
):
    page.goto("/")
    page.set_input_files("input[type=file]", red_picture)
    page.wait_for_url("**/search?image=*")
    other_visitor = context_with().new_page()
    other_visitor.goto(page.url)
    assert titles(other_visitor) == titles(page)
    expect(other_visitor.locator("img.preview")).to_be_hidden()


def test_a_picture_can_be_dropped_and_pasted(page: Page):
    draw = """async (kind) => {
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 80;
      const pen = canvas.getContext('2d');
      pen.fillStyle = '#204080';
      pen.fillRect(0, 0, 80, 80);
      const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
      const carried = new DataTransfer();
      carried.items.add(new File([blob], 'p.png', { type: 'image/png' }));
      const form = document.querySelector('[data-upload]');
      if (kind === 'drop') form.dispatchEvent(new DragEvent('drop', { dataTransfer: carried, bubbles: true }));
      else document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: carried }));
    }"""
    for kind in ("drop", "paste"):
        page.goto("/")
        page.evaluate(draw, kind)
        page.wait_for_url("**/search?image=*")


def test_a_file_that_is_no_picture_is_refused_on_the_spot(page: Page, tmp_path: Path):
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    page.goto("/")
    page.set_input_files("input[type=file]", drawing)
    expect(page.get_by_role("alert")).to_contain_text("SVG drawing")
    assert page.url.endswith("/")


def test_filters_narrow_the_results_and_can_be_taken_away(page: Page):
    page.goto("/search?like=d%2Fdurer%2Fwork001")
    page.evaluate("window.isSamePage = true")
    page.get_by_text("Style", exact=True).click()
    expect(page.get_by_label("Northern Renaissance 20")).not_to_be_checked()
    page.get_by_label("Rococo").check()
    expect(page.locator(".count")).to_contain_text("20 results, most similar first")
    expect(page.get_by_label("Rococo")).to_be_focused()
    page.get_by_label("From year").fill("1530")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_contain_text("11 results, most similar first")
    assert re.search(r"style=Rococo&.*year_from=1530$", page.url)
    page.get_by_label("Baroque").check()
    expect(page.locator(".count")).to_contain_text("22 results, most similar first")
    assert "style=Baroque&style=Rococo" in page.url
    expect(page.locator("[data-announce]")).to_contain_text("22 results")
    page.go_back()
    expect(page.locator(".count")).to_contain_text("11 results")
    expect(page.get_by_label("Baroque")).not_to_be_checked()
    assert page.evaluate("window.isSamePage"), "only parts of the page were replaced"
    page.get_by_role("link", name="style: Rococo").click()
    expect(page.locator(".count")).to_contain_text("32 results, most similar first")


def test_years_are_set_by_sliders(page: Page):
    page.goto("/search?type=portrait")
    earliest, latest = page.get_by_label("Earliest year"), page.get_by_label("Latest year")
    earliest.focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".count")).to_contain_text("29 works")
    expect(earliest).to_be_focused()
    latest.focus()
    for _ in range(100):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".count")).to_have_text("2 works.")  # not 12, on the way
    expect(page.get_by_label("To year")).to_have_value("1505")
    assert int(latest.input_value()) == int(earliest.input_value()) + 2
    page.get_by_label("From year").fill("")
    page.get_by_label("To year").fill("")
    page.keyboard.press("Enter")
    expect(page.locator(".count")).to_contain_text("30 works")


@pytest.mark.parametrize("name", ["results", "like", "like several"])
def test_six_steps_of_the_keyboard_lead_to_the_first_result(page: Page, name: str):
    page.goto(ADDRESSES[name])
    for _ in range(6):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.querySelector('.grid .card a')")


def test_more_and_less_like_a_hit_change_the_search_and_its_address(page: Page):
    page.goto("/search?words=durer")
    page.get_by_role("link", name="More like this: Colour no. 5", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Looks like “Colour no. 5”, with “durer”")
    page.get_by_role("link", name="words: durer").click()
    page.get_by_role("link", name="Less like this: Colour no. 4", exact=True).click()
    expect(page.locator(".examples .title")).to_have_text(["Colour no. 5", "Colour no. 4"])
    assert page.url.endswith("/search?like=d%2Fdurer%2Fwork005&unlike=d%2Fdurer%2Fwork004")
    assert "Colour no. 4" not in titles(page)
    page.get_by_role("link", name="Remove Colour no. 4").click()
    expect(page.locator(".grid").get_by_text("Colour no. 4", exact=True)).to_be_visible()


def test_results_are_exported(page: Page):
    page.goto("/search?words=moon")
    page.get_by_text("Download").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="All results as CSV").click()
    assert saved.value.suggested_filename == "hits.csv"
    assert len(saved.value.path().read_text(encoding="utf-8-sig").splitlines()) == 21


def test_results_have_pages(page: Page):
    page.goto("/search?words=colour")
    first = titles(page)
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of 3")).to_be_visible()
    assert not set(first) & set(titles(page))
    page.get_by_role("link", name="Previous").click()
    expect(page.get_by_text("Page 1 of 3")).to_be_visible()
    assert titles(page) == first


def test_a_painting_leads_to_its_neighbours_its_artist_and_its_place_on_the_map(page: Page):
    page.goto("/works/d/durer/work005")
    expect(page.get_by_role("heading", level=1)).to_have_text("Colour no. 5")
    page.locator(".grid a").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Colour no. [46]"))
    page.get_by_role("link", name="Show on the map").click()
    wait_for_map(page)
    expect(page.locator(".listed li")).to_have_count(1)
    page.goto("/works/d/durer/work005")
    page.get_by_role("link", name="DÜRER, Albrecht", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("DÜRER, Albrecht")


def test_a_picture_is_zoomed_into_by_keyboard_and_says_what_is_shown(page: Page):
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto("/works/d/durer/work001")
    page.get_by_role("link", name="Zoom").focus()
    page.keyboard.press("Enter")
    shown = page.get_by_role("dialog", name="Colour no. 1, enlarged")
    expect(shown.get_by_role("status")).to_have_text("The stored copy, 64 \u00d7 48 pixels.")
    assert Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"] == []
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    expect(page.get_by_role("link", name="Zoom")).to_be_focused()
    assert complaints == []


def test_where_the_zoom_cannot_be_loaded_the_picture_itself_is_shown(page: Page):
    page.route("**/openseadragon*", lambda route: route.abort())
    page.goto("/works/d/durer/work001")
    page.get_by_role("link", name="Zoom").click()
    page.wait_for_url(re.compile("/images/d/durer/work001.jpg"))


def test_without_scripts_a_picture_and_words_are_still_searched(
    context_with: Callable[..., BrowserContext], red_picture: Path
):
    page = context_with(java_script_enabled=False).new_page()
    page.goto("/")
    page.set_input_files("input[type=file]", red_picture)
    page.get_by_role("button", name="Search by picture").click()
    page.wait_for_url("**/search?image=*")
    expect(page.locator(".predictions")).to_contain_text("Renaissance")
    page.goto("/")
    page.get_by_label("Or search by words").fill("durer")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("20 works")
    page.get_by_text("Style", exact=True).click()
    page.get_by_label("Baroque").check()
    page.get_by_label("Rococo").check()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".count")).to_contain_text("13 works")
    page.goto("/map")
    expect(page.get_by_alt_text("Map of the collection, coloured by style")).to_be_visible()


def test_the_keyboard_alone_leads_from_the_start_to_a_painting(page: Page):
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#picture")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("cafe")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?words=cafe")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to results")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("A Café <at> Night & Day")


def test_typing_suggests_artists_and_titles(page: Page):
    page.goto("/")
    page.get_by_label("Or search by words").press_sequentially("dur")
    page.locator("#s-words option[value='DÜRER, Albrecht']").wait_for(state="attached")
