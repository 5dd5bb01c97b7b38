"""The pictures of README and docs: pages of a lake in a real browser.

python artpipe_tests/browser/screenshots.py data_lake/sample docs/images
"""

import argparse
import io
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.web.app import create_app

SIZE = {"width": 1240, "height": 780}


def photograph(lake: DataLake, artwork_id: str) -> bytes:
    """A stored picture as a phone would take it: turned, on a wall, compressed."""
    image = Image.open(io.BytesIO(ImageStore(lake).jpegs([artwork_id])[0])).convert("RGB")
    image = image.resize((1200, 1200 * image.height // image.width))
    out = io.BytesIO()
    image.rotate(3, expand=True, fillcolor=(148, 140, 130)).save(out, "JPEG", quality=60)
    return out.getvalue()


def keep(page: Page, path: Path) -> None:
    """A screenshot in few colours, so that the repository stays small."""
    page.wait_for_timeout(600)
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").quantize(200, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    lake = DataLake(options.lake)
    app = create_app(lake)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    catalogue = app.state.web.catalogue
    works = catalogue.snapshot.rows.filter(type="landscape", style="Romanticism")["artwork_id"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        page = browser.new_context(base_url=address, viewport=SIZE).new_page()  # pyright: ignore[reportArgumentType]
        page.set_default_timeout(120_000)
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(photograph(lake, works[0]))
        page.goto("/")
        keep(page, options.folder / "web_home.png")
        page.set_input_files("input[type=file]", photo)
        page.wait_for_url("**/search?image=*")
        page.locator(".verdict.found").wait_for()
        keep(page, options.folder / "web_search.png")
        page.goto(f"/works/{works[0]}")
        keep(page, options.folder / "web_work.png")
        page.goto("/map")
        page.locator("[data-ready=yes]").wait_for()
        page.wait_for_load_state("networkidle")  # the small pictures
        keep(page, options.folder / "web_map.png")
        browser.close()
    server.should_exit = True


if __name__ == "__main__":
    main()
