"""What is to be decided on labels and same works, what was decided, and what a refresh will make of it.

Suspect labels are those of the asset `suspect_labels`, pairs those that `evaluation_report` suggests. Decisions are the
CSV files of `splits/overrides.py`, which `artpipe labels` writes too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from artpipe.lake.parquet import read_table_if_exists
from artpipe.splits.assign import catalogue_labels
from artpipe.splits.corrections import compare_corrections, correct_labels
from artpipe.splits.freeze import measure_drift
from artpipe.splits.overrides import OverrideFiles, Overrides, read_overrides, read_pairs

if TYPE_CHECKING:
    from artpipe.lake.paths import DataLake
    from artpipe.web.catalogue import Catalogue

Kind = Literal["labels", "pairs"]
SHOWN_DECISIONS = 20


@dataclass(frozen=True)
class QueueItem:
    """One thing to decide: a label of a work, or whether two artworks show one work.

    Attributes:
        works: the work, or the two, as pages show them.
        task: of the label; empty for a pair.
        classes: the labels to choose from.
        label: what the catalogue says, or a person said before.
        suggested: what the label may be instead; empty where nothing is suggested.
        probability: of the suggested label.
        reason: why it is asked.
    """

    works: tuple[dict[str, Any], ...]
    task: str = ""
    classes: tuple[str, ...] = ()
    label: str = ""
    suggested: str = ""
    probability: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class RefreshEffect:
    """What a refresh will make of the corrections.

    Attributes:
        relabelled: labels that differ from those in use.
        joined: pairs of artworks that become one work.
        drift: share of the training set's rows that will differ from it.
        retrains: whether that is enough to train the model again.
    """

    relabelled: int
    joined: int
    drift: float
    retrains: bool


class Corrections:
    """The queues and decisions of a lake, read when this is made.

    Args:
        lake: has the suspects, the suggestions and the splits.
        files: have the decisions.
        catalogue: describes the works.

    Raises:
        OverridesError: a file of decisions is not valid.
    """

    def __init__(self, lake: "DataLake", files: OverrideFiles, catalogue: "Catalogue") -> None:
        self._lake, self._files, self._catalogue = lake, files, catalogue
        artworks = read_table_if_exists(lake, "artworks")
        known = artworks["artwork_id"] if artworks is not None else catalogue.snapshot.rows["artwork_id"]
        self._overrides: Overrides = read_overrides(files, known)
        self._artworks = artworks
        self._different = read_pairs(files.different_works)

    def suspects(self, task: str = "") -> pl.DataFrame:
        """The suspect labels that nobody decided on, the likeliest of each task first."""
        found = read_table_if_exists(self._lake, "suspect_labels")
        if found is None:
            return pl.DataFrame(schema={"artwork_id": pl.String, "task": pl.String, "rank": pl.Int64})
        found = found.join(self._overrides.labels, on=["artwork_id", "task"], how="anti")
        found = found.filter(pl.col("artwork_id").is_in(self._catalogue.snapshot.rows["artwork_id"].implode()))
        found = found.filter(task=task) if task else found.filter(pl.col("task").is_in(self._files.tasks.names))
        return found.sort("rank", pl.col("task").cast(pl.Enum(self._files.tasks.names)))

    def pairs(self) -> pl.DataFrame:
        """The suggested pairs that nobody decided on and that are not one work yet."""
        suggested = read_pairs(str(self._lake.report("evaluation/same_work_suggestions.csv")))
        pairs = pl.concat([self._overrides.same_work, self._different]).select("left", "right")
        decided = {frozenset(pair) for pair in pairs.iter_rows()}
        works = dict(self._catalogue.snapshot.rows.select("artwork_id", "work_id").iter_rows())
        is_open = [
            frozenset((left, right)) not in decided
            and left in works
            and right in works
            and (works[left] is None or works[left] != works[right])
            for left, right in suggested.select("left", "right").iter_rows()
        ]
        return suggested.filter(pl.Series(is_open, dtype=pl.Boolean))

    def suspect(self, row: dict[str, Any]) -> QueueItem:
        """A row of `suspects` as an item of the queue."""
        return QueueItem(
            (self._catalogue.get(row["artwork_id"]),),
            row["task"],
            self._files.tasks[row["task"]].classes,
            row["label"] or "",
            row["suggested"] or "",
            row["suggested_probability"] or 0.0,
        )

    def pair(self, row: dict[str, Any]) -> QueueItem:
        """A row of `pairs` as an item of the queue."""
        works = tuple(self._catalogue.get(row[side]) for side in ("left", "right"))
        return QueueItem(works, reason=row["reason"] or "")

    def label_of(self, artwork_id: str, task: str) -> QueueItem:
        """The label of any work as an item of the queue.

        Raises:
            UnknownArtworkError: no artwork has this id.
        """
        work = self._catalogue.get(artwork_id)
        before = self._overrides.labels.filter(artwork_id=artwork_id, task=task).rows(named=True)
        label = before[0]["label"] if before else work.get(task)
        return QueueItem((work,), task, self._files.tasks[task].classes, label or "")

    def decided(self) -> list[dict[str, Any]]:
        """The last decisions: `summary`, `effect`, `by`, `reason`, `at`, `works` and the line with its file."""
        rows: list[dict[str, Any]] = []
        effects: dict[tuple[str, str], tuple[str, str]] = {}
        if self._artworks is not None:
            compared = compare_corrections(self._artworks, self._overrides.labels, self._files.tasks)
            for artwork_id, task, catalogue, effect in compared.select(
                "artwork_id", "task", "catalogue", "effect"
            ).iter_rows():
                effects[artwork_id, task] = catalogue or "unknown", effect
        for line in self._overrides.labels.iter_rows(named=True):
            catalogue, effect = effects.get((line["artwork_id"], line["task"]), ("", "not in the catalogue"))
            summary = f"{line['task']}: {line['label'] or 'unknown'}"
            if effect == "corrected":
                summary += f", in the catalogue {catalogue}"
            rows.append({**line, "summary": summary, "effect": effect, "works": (line["artwork_id"],), "kind": "label"})
        for kind, table, effect in (
            ("same", self._overrides.same_work, "one work"),
            ("different", self._different, "different works"),
        ):
            rows += [
                {**line, "summary": effect, "effect": effect, "works": (line["left"], line["right"]), "kind": kind}
                for line in table.iter_rows(named=True)
            ]
        return sorted(rows, key=lambda row: row["at"] or "", reverse=True)[:SHOWN_DECISIONS]

    def effect_of_refresh(self, retrain_drift: float) -> RefreshEffect | None:
        """What a refresh will make of the decisions; None where there are no splits yet.

        Args:
            retrain_drift: share of changed rows above which the training set thaws.
        """
        splits, frozen = (read_table_if_exists(self._lake, name) for name in ("splits", "training_set"))
        if splits is None or self._artworks is None:
            return None
        # What the catalogue says counts again where a decision was taken back.
        labels = catalogue_labels(self._artworks, self._files.tasks.among(splits.columns))
        plain = splits.drop(labels.columns[1:]).join(labels, on="artwork_id", how="left", maintain_order="left")
        corrected = correct_labels(plain.select(splits.columns), self._overrides.labels)
        drift = measure_drift(corrected, frozen if frozen is not None else corrected)
        works = dict(splits.select("artwork_id", "work_id").iter_rows())
        joined = [
            left in works and right in works and works[left] != works[right]
            for left, right in self._overrides.same_work.select("left", "right").iter_rows()
        ]
        relabelled = measure_drift(corrected, splits).relabelled
        return RefreshEffect(relabelled, sum(joined), drift.share, drift.share > retrain_drift)
