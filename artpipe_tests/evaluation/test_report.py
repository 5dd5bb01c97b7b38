"""The report names the split of every figure and contains only what JSON can."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.changes import Change, Changes
from artpipe.evaluation.leaks import PAIRS, SAME_PICTURE, Leaks
from artpipe.evaluation.markdown import report_markdown
from artpipe.evaluation.rephotographs import RephotographScores
from artpipe.evaluation.report import evaluate
from artpipe.models.rights import TrainingRights
from artpipe.schema import splits_schema
from artpipe.tasks import WGA_TASKS

CLASSES = {"style": ("Baroque", "Rococo"), "period": ("1550-1650",), "type": ()}


def rows_of(**counts: int) -> pl.DataFrame:
    """Rows of every split, alternately Baroque and Rococo, of one period and no type."""
    rows = []
    for split, count in counts.items():
        for i in range(count):
            name = f"{split}{i}"
            rows.append(
                dict.fromkeys(splits_schema(WGA_TASKS))
                | {"artwork_id": name, "work_id": name, "artist_id": f"artist{i % 3}", "split": split}
                | {"style": CLASSES["style"][i % 2], "period": "1550-1650"}
            )
    return pl.DataFrame(rows, schema=splits_schema(WGA_TASKS))


def evaluated(rows: pl.DataFrame, **options):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(rows), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    probabilities = {
        "style": np.tile([[0.8, 0.2]], (len(rows), 1)),
        "period": np.ones((len(rows), 1)),
        "type": np.empty((len(rows), 0)),
    }
    probabilities["style"][rows["split"].to_numpy() == "train"] = np.nan
    return evaluate(rows, WGA_TASKS, probabilities, CLASSES, vectors, model_id="0123", **options)


def test_every_held_out_split_is_measured_apart():
    report = evaluated(rows_of(train=9, validation=4, test=5, unseen_artists=3))
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["rows"] == {"validation": 4, "test": 5, "unseen_artists": 3}
    assert list(found["splits"]) == ["validation", "test", "unseen_artists"]
    style = found["splits"]["test"]["classification"]["style"]
    assert (style["at_1"], style["n"], style["split"]) == (0.6, 5, "test")
    assert found["splits"]["unseen_artists"]["classification"]["style"]["at_1"] == pytest.approx(2 / 3)
    assert found["splits"]["test"]["retrieval"]["artist"]["table_rows"] == 21


def test_the_majority_baseline_comes_from_the_training_rows():
    rows = rows_of(train=3, test=5).with_columns(
        style=pl.when(split="train").then(pl.lit("Rococo")).otherwise(pl.col("style"))
    )
    scores = evaluated(rows).scores("style", "test")
    assert (scores.majority_class, scores.majority_floor) == ("Rococo", 0.4)


def test_training_rows_are_not_measured():
    report = evaluated(rows_of(train=4, test=2))
    assert "train" not in report.rows
    assert report.scores("style", "test").n == 2


def test_an_empty_split_and_a_task_without_labels_have_a_reason_instead_of_nan():
    report = evaluated(rows_of(train=4, test=2))
    assert report.scores("style", "validation").reason == "no rows"
    assert report.scores("type", "test").reason == "no row has a known label"
    json.dumps(report.to_dict(), allow_nan=False)


def test_no_rows_give_an_empty_report():
    report = evaluated(rows_of())
    json.dumps(report.to_dict(), allow_nan=False)
    assert {scores.reason for scores in report.classification} == {"no rows"}


def test_the_table_has_a_line_for_every_split_and_task():
    lines = report_markdown(evaluated(rows_of(train=9, validation=4, test=5, unseen_artists=3))).splitlines()
    for split in ("validation", "test", "unseen artists"):
        for task in WGA_TASKS.names:
            assert any(line.startswith(f"| {split} | {task} |") for line in lines)
    assert all("nan" not in line.lower() for line in lines)
    assert "| test | style | 5 | 5 | 60.0 % (" in "\n".join(lines)


def test_the_report_has_the_error_before_temperature_scaling_and_selective_accuracy():
    report = evaluated(rows_of(train=4, test=4), temperatures={"style": 2.0}, abstain_below=0.85)
    style = report.to_dict()["splits"]["test"]["confidence"]["style"]
    assert style["error_before"] == pytest.approx(16 / 17 - 0.5)
    assert [one["threshold"] for one in style["selective"]] == [0.5, 0.7, 0.85, 0.9]
    lines = report_markdown(report)
    assert "| 0.300 | 0.441 |" in lines
    assert "| test | style | 0.7 | 100.0 % | 50.0 % |" in lines
    assert "| test | style | 0.85 | 0.0 % | - |" in lines


def test_the_same_seed_gives_the_same_report():
    rows = rows_of(train=9, test=30)
    assert evaluated(rows, seed=1).to_dict() == evaluated(rows, seed=1).to_dict()


def test_the_report_has_classes_and_years_by_split():
    rows = rows_of(train=9, test=5)
    report = evaluated(rows, years=np.where(rows["split"].to_numpy() == "test", 1620.0, np.nan))
    test = json.loads(json.dumps(report.to_dict(), allow_nan=False))["splits"]["test"]
    assert tuple(test["years"]["period"][name] for name in ("n", "by_best", "by_majority")) == (5, 20, 20)
    (baroque, rococo) = test["classification"]["style"]["per_class"]
    assert (baroque["name"], baroque["n"], baroque["recall"], rococo["recall"]) == ("Baroque", 3, 1, 0)
    markdown = report_markdown(report)
    assert "<summary>Style on test, class by class</summary>" in markdown
    assert "| Rococo | Baroque | 2 | - | 0.0 % | 0.000 |" in markdown
    assert "| test | 5 | 20.0 (20 to 20) | 20.0 (20 to 20) | 20.0 |" in markdown


def test_leaks_are_listed_with_the_accuracy_without_them():
    pair = ("test0", "train0", "test", 0.9, 12, 40, 0.7, SAME_PICTURE)
    report = evaluated(rows_of(train=9, test=5))
    (clean,) = [scores for scores in report.classification if (scores.task, scores.split) == ("style", "test")]
    leaks = Leaks(0.5, pl.DataFrame([pair], schema=PAIRS, orient="row"))
    report = replace(report, leaks=leaks, without_leaks=(replace(clean, at_1=0.25),))
    assert "| test0 | train0 | test | 0.90 | 70.0 % | 12 | the same picture |" in report_markdown(report)
    assert "| test | style | 60.0 % | 25.0 % |" in report_markdown(report)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))["leaks"]
    assert (found["candidates"], found["confirmed"][0]["train"], found["without"][0]["at_1"]) == (1, "train0", 0.25)


def test_the_previous_model_and_the_photographs_have_their_own_tables():
    changes = Changes("old", "new", 5, (Change("test", "style", 5, 0.4, 0.6, (-0.1, 0.5)),))
    photographs = (RephotographScores("glare", 12, 0.75, (0.5, 1.0), 0.9),)
    report = replace(evaluated(rows_of(train=9, test=5)), changes=changes, rephotographs=photographs)
    assert "| test | style | 5 | 40.0 % | 60.0 % | +20.0 (-10.0 to +50.0) |" in report_markdown(report)
    assert "| glare | 12 | 75.0 % (50.0 to 100.0) | 90.0 % |" in report_markdown(report)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["changes"]["previous"] == "old"
    assert found["rephotographs"]["glare"]["recall"] == 0.75


def test_the_rights_are_said_to_be_those_of_the_measured_model_and_not_of_its_refit():
    report = evaluated(rows_of(train=9, test=5))
    assert "Rights" not in report_markdown(report)
    section = report_markdown(replace(report, rights=(TrainingRights("tate", None, None, 9, 0),))).partition(
        "## Rights "
    )[2]
    assert section.startswith("of the training pictures of the measured model\n\nIts refit")
    assert "| tate | no statement | unknown | 9 | 0 |" in section
