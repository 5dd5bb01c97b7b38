"""`artpipe labels`: corrections are written, listed, and rejected where they are invalid."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from artpipe.cli.main import app
from artpipe.evaluation.suspects import SUSPECTS
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.schema import ARTWORKS

PLAIN = {"style": "Baroque", "type": "portrait", "year_from": 1640, "year_to": 1640, "date_flags": []}


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataLake:
    """A catalogue of two works, one of them with a suspect type and a suspect style."""
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    lake = DataLake(tmp_path / "lake")
    artworks = [dict.fromkeys(ARTWORKS) | PLAIN | {"artwork_id": name} for name in ("b/one", "b/two")]
    write_table(lake.table("artworks"), pl.DataFrame(artworks, schema=ARTWORKS))
    suspects = [
        dict.fromkeys(SUSPECTS)
        | {"artwork_id": "b/one", "task": task, "label": "portrait", "suggested": "genre", "rank": 1}
        for task in ("style", "type")
    ]
    write_table(lake.table("suspect_labels"), pl.DataFrame(suspects, schema=SUSPECTS))
    return lake


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["labels", *arguments])


def listed() -> dict[str, list[dict[str, str]]]:
    result = run("list", "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("lake")
def test_a_set_label_is_listed_with_the_catalogue_s_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("getpass.getuser", lambda: "anna")
    result = run("set", "b/one", "type", "genre", "--reason", "nobody sits")
    assert result.exit_code == 0, result.output
    assert "The type of b/one is genre." in result.stderr
    (line,) = listed()["labels"]
    assert (line["catalogue"], line["label"], line["effect"]) == ("portrait", "genre", "corrected")
    assert (line["by"], line["reason"]) == ("anna", "nobody sits")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", line["at"])
    assert "nobody sits" in run("list").stdout


@pytest.mark.usefixtures("lake")
def test_setting_a_label_again_names_the_replaced_one():
    run("set", "b/one", "type", "genre", "--by", "anna")
    assert "is unknown, instead of 'genre' by anna." in run("set", "b/one", "type", "").stderr
    assert [line["effect"] for line in listed()["labels"]] == ["left out"]


@pytest.mark.usefixtures("lake")
def test_two_pictures_are_joined():
    assert run("join", "b/one", "b/two", "--by", "anna").exit_code == 0
    assert [(line["left"], line["right"]) for line in listed()["same_work"]] == [("b/one", "b/two")]


def test_labels_are_written_to_the_configured_file(lake: DataLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LABEL_OVERRIDES", str(tmp_path / "ours.csv"))
    assert run("set", "b/one", "type", "genre").exit_code == 0
    assert (tmp_path / "ours.csv").exists()
    assert not Path(lake.overrides("labels")).exists()
    assert len(listed()["labels"]) == 1


@pytest.mark.usefixtures("lake")
def test_suspects_are_shown_until_somebody_reviewed_them():
    def tasks(*options: str) -> list[str]:
        return [row["task"] for row in json.loads(run("suspects", "--json", *options).stdout)]

    assert tasks() == ["style", "type"]
    assert tasks("--task", "type") == ["type"]
    run("set", "b/one", "type", "portrait")
    assert tasks() == ["style"]
    assert "genre" in run("suspects").stdout


def test_the_id_of_a_suspect_is_never_cut_short(lake: DataLake):
    name, title = "p/painter/" + "narrow" * 8, "A Long Title of a Picture " * 6
    told = {"artwork_id": name, "task": "type", "label": "portrait", "suggested": "genre", "rank": 1, "title": title}
    write_table(lake.table("suspect_labels"), pl.DataFrame([dict.fromkeys(SUSPECTS) | told], schema=SUSPECTS))
    assert name in run("suspects").stdout


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "b/oen", "type", "genre"], "error: the catalogue has no artwork 'b/oen'; the closest: b/one"),
        (["set", "b/one", "kind", "genre"], "error: 'kind' is no task; write style, period or type"),
        (["set", "b/one", "type", "gener"], "error: 'gener' is no type; the closest: genre"),
        (["join", "b/one", "b/one"], "error: 'b/one' and 'b/one' are not two artworks"),
        (["suspects", "--task", "kind"], "'kind' is not a task; choose style, period, type"),
    ],
)
def test_an_invalid_correction_is_one_message_and_exit_code_2(arguments: list[str], message: str):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in re.sub(r"[\s│]+", " ", result.stderr)


def test_without_a_catalogue_the_error_names_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    assert "no catalogue in" in run("list").stderr
    assert 'materialize "suspect_labels"' in run("suspects").stderr
