"""What every test may use."""

import gc
import http.server
import json
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from artpipe.lake.paths import DataLake
from artpipe_tests.fixtures.loopback_server import Quiet, running

pytest_plugins = (
    "artpipe_tests.fixtures.quick_databases",
    "artpipe_tests.fixtures.drawn_pictures",
    "artpipe_tests.fixtures.loopback_gallery",
    "artpipe_tests.fixtures.made_once",
    "artpipe_tests.fixtures.oai_repository",
    "artpipe_tests.fixtures.ray_cluster",
    "artpipe_tests.fixtures.s3_server",
    "artpipe_tests.fixtures.sample_gallery",
    "artpipe_tests.fixtures.tables",
)

# A deadline is a wall-clock time: on a busy machine it fails tests that are right.
hypothesis.settings.register_profile("artpipe", deadline=None)
hypothesis.settings.load_profile("artpipe")

# Tests run on every core already; the threads of one matrix product would only wait for each other.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Python's default looks for cycles after every 700 new objects; in runs of Dagster that takes a tenth of the time.
gc.set_threshold(20_000, 20, 50)

TOGETHER = (
    "browser/",
    "engine/test_ray_engine.py",
    "orchestration/test_dagster_dev.py",
    "orchestration/test_promotion.py",
    "recognition/test_same_painting.py",
    "sample_gallery/test_written_site.py",
    "search/test_novelty.py",
    "sources/test_whole_graph.py",
    "test_other_tasks.py",
    "test_pipeline.py",
    "training/test_loop.py",
    "vectors/test_lance_search.py",
    "web/test_large.py",
    "web/test_same_painting.py",
)
"""Tests that share what takes seconds to make: one process of a run on several cores takes all of them."""

LONGEST_FIRST = (
    "orchestration/test_dagster_dev.py",
    "test_pipeline.py",
    "test_other_tasks.py",
    "sources/test_whole_graph.py",
    "engine/test_ray_engine.py",
    "training/test_ray_train.py",
    "orchestration/test_change_matrix.py",
    "orchestration/test_kills.py",
    "orchestration/test_real_lineage_machine.py",
    "orchestration/test_lineage_machine.py",
    "orchestration/test_vanishing_evidence.py",
    "orchestration/",
    "browser/",
)
"""A long test that starts last keeps one core busy while the others have nothing left to do."""

NO_SKIPS = os.environ.get("NO_SKIPS") == "1"
SHARED = Path(__file__).resolve().parents[2] / "shared"


def place_among(names: tuple[str, ...], nodeid: str) -> int:
    """The place of the first of these names that a test's id begins with, below the folder of all tests."""
    path = nodeid.removeprefix("artpipe_tests/")
    return next((place for place, name in enumerate(names) if path.startswith(name)), len(names))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first."""
    items.sort(key=lambda item: place_among(LONGEST_FIRST, item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: the longest tests wait for Dagster's daemon most of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """On several cores, give one test after another to the next free process, but for those of `TOGETHER`."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return (*TOGETHER, nodeid)[place_among(TOGETHER, nodeid)]

    config.option.loadscopereorder = False  # by the number of tests, that is
    return Scheduling(config, log)


@pytest.fixture(scope="session")
def shared_gallery() -> Path:
    """The folder of the recorded gallery; the test is skipped where it is absent."""
    folder = SHARED / "gallery"
    if not folder.is_dir():
        pytest.skip(f"the recorded gallery is not at {folder}")
    return folder


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test sees no ARTPIPE_ variable, no `.env` file and no DAGSTER_HOME of the person who runs it."""
    for name in list(os.environ):
        if name.startswith("ARTPIPE_") or name == "DAGSTER_HOME":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    """An empty lake."""
    return DataLake(tmp_path / "lake")


class FakeWebhook(http.server.ThreadingHTTPServer):
    """Takes alerts on loopback and answers with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _WebhookHandler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/secret"
        self.status = 200
        self.alerts: list[dict[str, Any]] = []


class _WebhookHandler(Quiet, http.server.BaseHTTPRequestHandler):
    server: FakeWebhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.alerts.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def fake_webhook() -> Generator[FakeWebhook]:
    """A chat service on loopback."""
    with running(FakeWebhook()) as server:
        yield server


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where NO_SKIPS=1 is set, as `.ci/run` does, a test that skips has failed, unless it is marked `may_skip`."""
    report = yield
    may_skip = hasattr(report, "wasxfail") or "may_skip" in item.keywords
    if NO_SKIPS and report.skipped and not may_skip:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and NO_SKIPS=1 forbids that: {report.longrepr}"
    return report
