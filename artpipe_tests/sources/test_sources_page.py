"""The pages docs/sources*.md: the walk-through works as it is written, and the tables of keys are complete."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.sources.config import parse_sources, read_sources_file

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "sources.md").read_text("utf-8")
ADAPTER_PAGES = {file.stem: file.read_text("utf-8") for file in DOCS.glob("sources_*.md")}
HOOKS = importlib.util.spec_from_file_location("hooks", DOCS / "hooks.py")


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands() -> list[list[str]]:
    return [line.split()[2:] for block in blocks("console") for line in block.splitlines() if "artpipe sources" in line]


def run(arguments: list[str]) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_walk_through_works_from_the_page_alone():
    new, check = commands()
    Path("works.csv").write_text(blocks("text")[0], encoding="utf-8")
    run(new)
    guessed = read_sources_file("sources.yaml").without_secrets()
    Path("sources.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    corrected = read_sources_file("sources.yaml").without_secrets()
    del corrected["sources"][0]["columns"]["is_open"]
    assert guessed == corrected
    shown = next(line for line in PAGE.splitlines() if line.startswith("works: "))
    assert shown in run(check)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_example_is_yaml(block):
    assert yaml.safe_load(block)


@pytest.mark.parametrize("name", ADAPTER_PAGES)
def test_the_example_of_an_adapter_can_be_taken(name):
    [example] = blocks("yaml", ADAPTER_PAGES[name])
    [source] = parse_sources(example, name, Path()).sources
    assert f"adapter: {source.model_dump()['adapter']}\n" in example


def test_every_key_is_described_on_the_page():
    assert HOOKS is not None
    assert HOOKS.loader is not None
    hooks = importlib.util.module_from_spec(HOOKS)
    HOOKS.loader.exec_module(hooks)
    shown = set(re.findall(r"<!-- keys: (\w+) -->", PAGE + "".join(ADAPTER_PAGES.values())))
    assert shown == set(hooks.MODELS)
    undescribed = [
        f"{name}.{key}"
        for name, model in hooks.MODELS.items()
        for key, field in model.model_fields.items()
        if not field.description and key != "adapter"
    ]
    assert undescribed == []
