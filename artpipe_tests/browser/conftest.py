"""A real browser, and the app on loopback over a lake of coloured pictures."""

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from artpipe.lake.paths import DataLake
from artpipe.search.novelty import NoveltyScale, save_scale
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe_tests.fixtures.paintings import jpeg_of, painting
from artpipe_tests.web import conftest as web_fixtures

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
TIMEOUT_MS = 30_000
DESCRIBED_WORKS = 14


@pytest.fixture(scope="session")
def served_lake(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    lake = DataLake(tmp_path_factory.mktemp("browser") / "lake")
    web_fixtures.fill(lake)
    save_scale(lake, NoveltyScale(web_fixtures.MODEL, np.eye(3, dtype=np.float32), threshold=0.3, pictures=40))
    return lake


@contextmanager
def serving(lake: DataLake, config: WebConfig) -> Iterator[str]:
    """The app over a lake, in a thread; its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    app = create_app(lake, config, encoder=web_fixtures.ColourModel())
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    give_up_at = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended while it was starting"
        assert time.monotonic() < give_up_at, "the server did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def address(served_lake: DataLake) -> Iterator[str]:
    with serving(served_lake, WebConfig(abstain_below=0.8)) as address:
        yield address


@pytest.fixture(scope="session")
def described_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serves a lake with local features, in which a photograph is matched to its painting."""
    lake = DataLake(tmp_path_factory.mktemp("described") / "lake")
    web_fixtures.write_described_works(lake, DESCRIBED_WORKS)
    with serving(lake, WebConfig()) as address:
        yield address


@pytest.fixture
def paused_comparisons() -> Iterator[threading.Event]:
    """Comparisons wait until this is set."""
    with web_fixtures.pause_comparisons() as may_compare:
        yield may_compare


# Not for the whole session: until it is closed, Playwright has an event loop in this thread, where others need theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; `apt-get install chromium` brings one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context_with(browser: Browser, address: str) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser windows with options of their own; an error in a page's console fails the test."""
    made: list[BrowserContext] = []
    errors: list[str] = []

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(**{"base_url": address, **options})
        context.set_default_timeout(TIMEOUT_MS)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert errors == []


@pytest.fixture
def page(context_with: Callable[..., BrowserContext]) -> Page:
    return context_with(viewport={"width": 1280, "height": 860}).new_page()


@pytest.fixture
def red_picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.jpg"
    path.write_bytes(web_fixtures.picture((228, 77, 78), (300, 200)))
    return path


@pytest.fixture(scope="session")
def work_numbers() -> Iterator[int]:
    return iter(range(DESCRIBED_WORKS))


@pytest.fixture
def collection_picture(tmp_path: Path, work_numbers: Iterator[int]) -> Path:
    """A picture of a work of the described collection; another for each test, so that it was not compared before."""
    path = tmp_path / "painting.jpg"
    path.write_bytes(jpeg_of(painting(next(work_numbers))))
    return path


@pytest.fixture
def grey_picture(tmp_path: Path) -> Path:
    """Far from every colour of the lake."""
    path = tmp_path / "grey.jpg"
    path.write_bytes(web_fixtures.picture((128, 128, 128), (300, 200)))
    return path
