"""Corrections by keyboard, in a real browser."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from artpipe.lake.paths import DataLake
from artpipe.settings import Settings
from artpipe.splits.overrides import OverrideFiles
from artpipe.web.config import WebConfig
from artpipe_tests.browser.conftest import serving
from artpipe_tests.web import conftest as web_fixtures
from artpipe_tests.web.test_corrections import rows, write_doubts


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> OverrideFiles:
    lake = DataLake(tmp_path_factory.mktemp("corrections") / "lake")
    web_fixtures.fill(lake, 12)
    write_doubts(lake)
    return OverrideFiles.from_settings(Settings(lake=str(lake.root)))


@pytest.fixture(scope="module")
def editing_address(files: OverrideFiles) -> Iterator[str]:
    lake = DataLake(Path(files.labels).parents[1])
    with serving(lake, WebConfig(editing="loopback", editing_key="key", overrides=files)) as address:
        yield address


def problems(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']} {[node['target'] for node in one['nodes']][:3]}" for one in found]


def test_the_keyboard_alone_decides_gives_reasons_and_undoes(
    context_with: Callable[..., BrowserContext], editing_address: str, files: OverrideFiles
):
    page = context_with(base_url=editing_address, viewport={"width": 390, "height": 844}).new_page()
    page.goto("/corrections?key=key")
    page.goto("/corrections?task=type")
    question = page.locator("#question")
    assert problems(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(question).to_have_text("Is the type “portrait”?")
    page.keyboard.press("/")
    page.keyboard.type("s 1 u")  # typed as text, not taken as keys
    page.keyboard.press("Enter")
    expect(question).to_have_text("Is the type “portrait”?")
    page.keyboard.press("1")
    expect(question).to_have_text("Is the type “landscape”?")
    assert [(row["label"], row["reason"]) for row in rows(files.labels)] == [("genre", "s 1 u")]
    page.keyboard.press("u")
    expect(question).to_have_text("Is the type “portrait”?")
    assert rows(files.labels) == []
    page.keyboard.press("s")
    expect(question).to_have_text("Is the type “landscape”?")


def test_without_scripts_the_buttons_decide(
    context_with: Callable[..., BrowserContext], editing_address: str, files: OverrideFiles
):
    page = context_with(base_url=editing_address, java_script_enabled=False).new_page()
    page.goto("/corrections?key=key")
    page.goto("/corrections?kind=pairs")
    page.get_by_role("button", name="Different works").click()
    expect(page.get_by_text("No pair is waiting")).to_be_visible()
    assert len(rows(files.different_works)) == 1
    page.get_by_role("button", name="Remove").click()  # browsers write a line break in a form as two characters
    expect(page.get_by_role("heading", name="Do both pictures show one work?")).to_be_visible()
    assert rows(files.different_works) == []
    page.get_by_role("button", name="Different works").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="Do both pictures show one work?")).to_be_visible()
