"""What every test may use."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

NO_SKIPS = os.environ.get("NO_SKIPS") == "1"
SHARED = Path(__file__).resolve().parents[2] / "shared"


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where NO_SKIPS=1 is set, as `.ci/run` does, a test that skips has failed."""
    report = yield
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and NO_SKIPS=1 forbids that: {report.longrepr}"
    return report
