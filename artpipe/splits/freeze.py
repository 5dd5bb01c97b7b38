"""The training set: a frozen copy of the splits, so that a few new works do not start a training run.

It thaws, that is, is copied again, when more than `retrain_drift` of its rows changed, when the tasks or their classes
changed, or on demand.
"""

from dataclasses import asdict, dataclass

import polars as pl

from artpipe.schema import label_columns


@dataclass(frozen=True)
class Drift:
    """How the splits differ from the frozen copy, in rows; a row that differs in two ways counts once in `changed`."""

    frozen_rows: int
    current_rows: int
    added: int
    removed: int
    resplit: int
    relabelled: int
    replaced: int
    changed: int

    @property
    def share(self) -> float:
        """Changed rows per frozen row; all of them where nothing is frozen."""
        if self.frozen_rows == 0:
            return float(self.changed > 0)
        return self.changed / self.frozen_rows

    def summary(self) -> dict[str, int]:
        """Number of rows by kind of change, in words."""
        return {
            "new": self.added,
            "gone": self.removed,
            "relabelled": self.relabelled,
            "replaced": self.replaced,
            "moved to another split": self.resplit,
        }

    def to_dict(self) -> dict[str, int | float]:
        """For a table or a log."""
        return {**asdict(self), "share": round(self.share, 6)}


@dataclass(frozen=True)
class Frozen:
    """The training set in use, and why it is this one."""

    training_set: pl.DataFrame
    drift: Drift
    thawed: bool
    reason: str


def freeze(
    splits: pl.DataFrame, frozen: pl.DataFrame | None, retrain_drift: float, force: bool = False, changes: str = ""
) -> Frozen:
    """Keep the frozen training set, or thaw it.

    Args:
        splits: table `splits` as it is now.
        frozen: the training set of the last run, if there is one.
        retrain_drift: share of changed rows above which the set thaws; 0 thaws at any change.
        force: thaw whatever the drift.
        changes: how the tasks differ from those of the frozen set, in words; any difference thaws it.

    Returns:
        The training set (same columns as `splits`), the drift against the old one, whether it thawed, and why.
    """
    splits = splits.sort("artwork_id")
    if frozen is None:
        drift = measure_drift(splits, splits.clear())
        return Frozen(splits, drift, thawed=True, reason="there was no training set yet")
    drift = measure_drift(splits, frozen)
    summary = f"{drift.changed:,} of {drift.frozen_rows:,} rows changed ({drift.share:.2%})"
    if force:
        return Frozen(splits, drift, thawed=True, reason=f"requested; {summary}")
    if changes:
        return Frozen(splits, drift, thawed=True, reason=f"{changes}; {summary}")
    if (tasks := label_columns(splits)) != label_columns(frozen):
        return Frozen(splits, drift, thawed=True, reason=f"the tasks are {', '.join(tasks) or 'none'} now; {summary}")
    if drift.share > retrain_drift:
        return Frozen(splits, drift, thawed=True, reason=f"{summary}, more than {retrain_drift:.2%}")
    return Frozen(frozen, drift, thawed=False, reason=f"{summary}, no more than {retrain_drift:.2%}")


def measure_drift(splits: pl.DataFrame, frozen: pl.DataFrame) -> Drift:
    """Count the rows by what happened to them since the copy; a row gains or loses the label of an added task."""
    tasks = tuple(dict.fromkeys((*label_columns(splits), *label_columns(frozen))))
    now, then = (_with_labels(table, tasks) for table in (splits, frozen))
    both = now.join(then, on="artwork_id", suffix="_then")
    resplit = pl.col("split").ne_missing(pl.col("split_then"))
    replaced = pl.col("jpeg_sha256").ne_missing(pl.col("jpeg_sha256_then"))
    relabelled = pl.any_horizontal(
        pl.lit(value=False), *(pl.col(label).ne_missing(pl.col(f"{label}_then")) for label in tasks)
    )
    added, removed = len(splits) - len(both), len(frozen) - len(both)
    counts = both.select(
        resplit.sum().alias("resplit"),
        replaced.sum().alias("replaced"),
        relabelled.sum().alias("relabelled"),
        (resplit | replaced | relabelled).sum().alias("changed"),
    ).row(0, named=True)
    return Drift(
        frozen_rows=len(frozen),
        current_rows=len(splits),
        added=added,
        removed=removed,
        resplit=counts["resplit"],
        relabelled=counts["relabelled"],
        replaced=counts["replaced"],
        changed=counts["changed"] + added + removed,
    )


def _with_labels(table: pl.DataFrame, tasks: tuple[str, ...]) -> pl.DataFrame:
    """The membership and the labels of these tasks, null where the table has none of one."""
    labels = (pl.col(task) if task in table.columns else pl.lit(None, pl.String).alias(task) for task in tasks)
    return table.select("artwork_id", "split", "jpeg_sha256", *labels)
