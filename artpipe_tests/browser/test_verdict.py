"""Whether a picture shows a painting of the collection: shown after its results, in a real browser."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Route, expect

PHONE = {"width": 360, "height": 740}


@pytest.fixture
def visitor(context_with: Callable[..., BrowserContext], described_address: str) -> Page:
    return context_with(base_url=described_address, viewport=PHONE).new_page()


def problems(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [one["id"] for one in found]


def test_the_verdict_comes_after_the_results_and_becomes_part_of_their_address(
    visitor: Page,
    context_with: Callable[..., BrowserContext],
    described_address: str,
    collection_picture: Path,
    paused_comparisons: threading.Event,
):
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    expect(visitor.get_by_role("heading", name="Is this painting in the collection?")).to_be_visible()
    expect(visitor.locator(".grid .card").first).to_be_visible()
    expect(visitor.locator("img.preview")).to_be_visible()
    assert problems(visitor) == []
    before = visitor.url
    paused_comparisons.set()
    expect(visitor.locator(".verdict.found .kicker")).to_have_text("In the collection")
    expect(visitor.locator(".verdict-area")).to_have_attribute("role", "status")
    assert problems(visitor) == []
    assert visitor.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert visitor.url != before
    token = before.partition("image=")[2]
    assert token not in visitor.content().replace(f'data-comparing="{token}"', "")
    visitor.reload()
    expect(visitor.locator(".verdict.found")).to_be_visible()
    expect(visitor.locator("[data-comparing]")).to_have_count(0)
    expect(visitor.locator("img.preview")).to_be_visible()
    other_visitor = context_with(base_url=described_address).new_page()
    other_visitor.goto(visitor.url)
    expect(other_visitor.locator(".verdict.found")).to_be_visible()
    expect(other_visitor.locator("img.preview")).to_be_hidden()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("is_known", [True, False])
def test_the_arrival_of_the_verdict_moves_nothing(
    context_with: Callable[..., BrowserContext],
    described_address: str,
    collection_picture: Path,
    grey_picture: Path,
    paused_comparisons: threading.Event,
    width: int,
    is_known: bool,
):
    page = context_with(base_url=described_address, viewport={"width": width, "height": 800}).new_page()
    page.goto("/")
    page.set_input_files("input[type=file]", collection_picture if is_known else grey_picture)
    first = page.locator(".grid .card").first
    expect(page.locator("img.preview")).to_be_visible()
    before = first.bounding_box()
    paused_comparisons.set()
    expect(page.locator(".comparing")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    assert first.bounding_box() == before


def test_a_verdict_of_any_length_is_read_on_a_phone_without_scrolling_within_it(
    visitor: Page, collection_picture: Path
):
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    expect(visitor.locator(".verdict.found")).to_be_visible()
    visitor.goto(visitor.url)
    visitor.locator(".verdict.found h2 a").evaluate(
        "(title) => title.textContent = 'Saint Jerome in the Wilderness '.repeat(8)"
    )
    box = visitor.locator(".verdict-area").evaluate("(area) => [area.scrollHeight, area.clientHeight]")
    assert box[0] == box[1]


def test_a_verdict_that_is_known_already_is_shown_at_once(visitor: Page, collection_picture: Path):
    for _ in range(2):
        visitor.goto("/")
        visitor.set_input_files("input[type=file]", collection_picture)
        expect(visitor.locator(".verdict.found")).to_be_visible()
        expect(visitor.locator("img.preview")).to_be_visible()
        assert visitor.locator("img.preview").get_attribute("data-preview") in visitor.url


def test_without_scripts_the_page_comes_with_its_verdict(
    context_with: Callable[..., BrowserContext], described_address: str, collection_picture: Path
):
    page = context_with(base_url=described_address, java_script_enabled=False).new_page()
    page.goto("/")
    page.set_input_files("input[type=file]", collection_picture)
    page.get_by_role("button", name="Search by picture").click()
    expect(page.locator(".verdict.found")).to_be_visible()


@pytest.mark.usefixtures("paused_comparisons")
def test_without_a_response_the_page_shows_the_next_step(visitor: Page, collection_picture: Path):
    visitor.route("**/search/verdict?*", lambda route: route.abort())
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    expect(visitor.locator(".verdict .comparing")).to_have_text("The server does not answer; reload the page.")
    expect(visitor.locator(".grid .card").first).to_be_visible()


@pytest.mark.usefixtures("paused_comparisons")
@pytest.mark.parametrize(("status", "message"), [(422, "The model was changed."), (500, "The comparison failed")])
def test_a_refused_verdict_shows_its_reason(visitor: Page, collection_picture: Path, status: int, message: str):
    body = '{"detail": "the model was changed."}' if status == 422 else "Internal Server Error"
    visitor.route("**/search/verdict?*", lambda route: route.fulfill(status=status, body=body))
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    expect(visitor.locator(".verdict .comparing")).to_contain_text(message)


def test_without_session_storage_the_verdict_is_shown(visitor: Page, collection_picture: Path):
    visitor.add_init_script("Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('no'); } })")
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    expect(visitor.locator(".verdict.found")).to_be_visible()
    expect(visitor.locator("img.preview")).to_be_hidden()


def test_a_photograph_is_compared_with_the_work_by_a_slider(
    visitor: Page, collection_picture: Path, paused_comparisons: threading.Event
):
    corners = "[[0.1, 0.1], [0.9, 0.15], [0.92, 0.9], [0.08, 0.85]]"

    def with_corners(route: Route) -> None:
        page = route.fetch()
        route.fulfill(
            response=page, body=page.text().replace("data-preview=", f'data-corners="{corners}" data-preview=')
        )

    visitor.route("**/search?image=*", with_corners)
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", collection_picture)
    slider = visitor.get_by_label("Left of the slider your picture")
    expect(visitor.locator("img.preview")).to_be_visible()
    expect(slider).to_be_hidden()
    paused_comparisons.set()
    expect(slider).to_be_visible()
    placed = """() => {
      const frame = document.querySelector('.preview').getBoundingClientRect();
      const work = document.querySelector('.overlay img').getBoundingClientRect();
      return [work.left - frame.left, work.top - frame.top, work.right - frame.left, work.bottom - frame.top]
        .map((one, place) => one / (place % 2 ? frame.height : frame.width));
    }"""
    assert visitor.evaluate(placed) == pytest.approx([0.08, 0.1, 0.92, 0.9], abs=0.01)
    slider.focus()
    visitor.keyboard.press("Home")
    assert visitor.locator(".overlay").evaluate("one => one.style.clipPath") == "inset(0px 0px 0px 0%)"
    assert problems(visitor) == []


def test_a_part_of_the_photograph_is_searched_for_by_keyboard(visitor: Page, red_picture: Path):
    visitor.goto("/")
    visitor.set_input_files("input[type=file]", red_picture)
    visitor.get_by_role("button", name="Crop").click()
    expect(visitor.get_by_label("Upper left corner")).to_be_focused()
    for _ in range(10):
        visitor.keyboard.press("ArrowRight")
    assert problems(visitor) == []
    before = visitor.url
    with visitor.expect_request(lambda request: request.method == "POST") as sent:
        visitor.get_by_role("button", name="Search this part").click()
    assert sent.value.url.endswith("/search?crop=0,0,1,1")
    visitor.wait_for_url(lambda address: address != before)
    preview = visitor.locator("img.preview")
    expect(preview).to_be_visible()
    assert preview.evaluate("one => one.naturalWidth / one.naturalHeight") == pytest.approx(300 * 0.8 / 200, 0.02)
