"""Dagster's private names: one module imports them, and each is explained there."""

import ast
import importlib
from pathlib import Path

import pytest

import artpipe
import artpipe_tests
from artpipe.orchestration import dagster_private

ROOTS = [Path(package.__file__ or "").parent for package in (artpipe, artpipe_tests)]
PRIVATE = "dagster." + "_core"
IMPORTED = {
    "AssetCheckEvaluationTargetMaterializationData",
    "AssetCheckExecutionsTable",
    "AssetGraph",
    "InMemoryJob",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "SqlEventLogStorage",
    "SqliteEventLogStorage",
    "execute_run",
    "serialize_value",
}
NAMES = {
    *(IMPORTED - {"AssetCheckExecutionsTable", "SqlEventLogStorage", "SqliteEventLogStorage"}),
    "NO_COMPUTE_LOGS",
    "delete_check_executions",
    "sqlite_folder",
}


def private_imports(path: Path) -> set[str]:
    """The names that a module imports from `dagster._...`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dagster._"):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("dagster._")}
    return found


def test_one_module_imports_private_names_of_dagster():
    importing = {path.name: names for root in ROOTS for path in root.rglob("*.py") if (names := private_imports(path))}
    assert importing == {"dagster_private.py": IMPORTED}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_private_name_is_there_and_its_use_is_explained(name: str):
    assert name in dagster_private.__all__
    assert getattr(dagster_private, name)
    assert f"`{name}` is" in (dagster_private.__doc__ or "")


def test_the_module_that_is_named_is_there():
    assert importlib.import_module(dagster_private.NO_COMPUTE_LOGS).NoOpComputeLogManager


def test_no_other_module_names_a_private_module_in_a_text():
    found = [path.name for root in ROOTS for path in root.rglob("*.py") if f'"{PRIVATE}' in path.read_text()]
    assert found == ["dagster_private.py"]
