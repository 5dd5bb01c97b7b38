"""The structure of the code base."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import dagster as dg
import pytest

import artpipe

PACKAGE = Path(artpipe.__file__).parent
MAY_IMPORT_DAGSTER = {
    "assets.py",
    "checks.py",
    "definitions.py",
    "resources.py",
    "io.py",
    "automation.py",
    "reuse.py",
    "cli.py",
}
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "lancedb",
    "lance",
    "matplotlib",
    "requests",
    "lxml",
    "fastapi",
    "playwright",
)


def imported_names(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_domain_code_does_not_import_dagster(path: Path):
    if path.name not in MAY_IMPORT_DAGSTER and path.parent.name not in ("orchestration", "cli", "serving"):
        assert "dagster" not in imported_names(path)


def test_every_check_is_made_in_the_one_way_that_keeps_its_result_small():
    made_otherwise = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if path.name != "check.py" and "asset_check(" in path.read_text("utf-8")
    ]
    assert made_otherwise == []


def test_only_settings_reads_the_environment():
    readers = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"os\.(environ(?!\.setdefault\()|getenv)", path.read_text(encoding="utf-8"))
    ]
    assert readers == ["settings.py"]


def test_the_sample_dagster_yaml_ships_and_is_what_dagster_takes(tmp_path: Path):
    sample = resources.files("artpipe.orchestration") / "dagster.yaml"
    assert (
        "dagster.yaml"
        in tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"][
            "artpipe.orchestration"
        ]
    )
    (tmp_path / "dagster.yaml").write_bytes(sample.read_bytes())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        concurrency = instance.get_concurrency_config()
        assert concurrency.run_queue_config is not None
        assert concurrency.run_queue_config.max_concurrent_runs == 1
        assert concurrency.pool_config.default_pool_limit == 1
        assert concurrency.pool_config.pool_granularity.value == "run"
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        kept = instance.get_settings("retention")["sensor"]["purge_after_days"]
        assert kept == {"skipped": 1, "failure": 7, "success": 30}


def test_loading_the_graph_imports_no_heavy_library():
    code = (
        "import sys, artpipe.definitions; "
        f"print([name for name in {HEAVY!r} if name in sys.modules and not name == 'requests'])"
    )
    answer = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
