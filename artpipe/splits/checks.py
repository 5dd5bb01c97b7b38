"""Proofs that no training work is measured on."""

import dagster as dg

from artpipe.lake.parquet import read_table, read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table


@pipeline_check(asset="splits", blocking=True)
def no_work_crosses_splits(splits: DataFrame) -> dg.AssetCheckResult:
    """A painting, its details and its other photographs are all in one split."""
    from artpipe.splits import leaks

    return _none_found(leaks.crossing_works(splits))


@pipeline_check(asset="splits", blocking=True)
def no_near_duplicate_crosses_splits(splits: DataFrame, lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """No two images that look the same are in different splits, whatever the catalogue calls them."""
    from artpipe.images.store import ImageStore
    from artpipe.splits import leaks
    from artpipe.splits.near_duplicates import find_near_duplicates

    pairs = read_table_if_exists(lake, "near_duplicates")
    if pairs is None:  # the splits were made before their pairs were kept
        pairs = find_near_duplicates(read_table(lake, "artworks"), ImageStore(lake).outcomes())
    return _none_found(leaks.crossing_near_duplicates(splits, pairs))


@pipeline_check(asset="splits", blocking=True)
def unseen_artists_are_unseen(splits: DataFrame) -> dg.AssetCheckResult:
    """An artist held out whole has no work in another split, and every such artist is known by name."""
    from artpipe.splits import leaks

    elsewhere = leaks.unseen_artists_elsewhere(splits)
    return _none_found(elsewhere if elsewhere.height else leaks.unknown_artists_among_unseen(splits))


@pipeline_check(asset="splits")
def every_measured_class_has_training_works(splits: DataFrame) -> dg.AssetCheckResult:
    """Every class of a held-out split has works in the training split."""
    from artpipe.splits import leaks

    missing = leaks.classes_missing_from_train(splits)
    return _none_found(
        missing,
        dg.AssetCheckSeverity.WARN,
        f"{missing.height:,} classes have held-out works and none to learn from, so that the classifier never predicts "
        "them. More works of them, or fewer classes, mend it; nothing is held up.",
    )


@pipeline_check(asset="splits")
def every_task_is_learned_and_measured(splits: DataFrame) -> dg.AssetCheckResult:
    """Every task has labels of several classes to learn from, and labels in each held-out split to be measured on."""
    from artpipe.splits import leaks

    gaps = leaks.label_gaps(splits)
    return dg.AssetCheckResult(
        passed=not gaps,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(gaps) or None,
        metadata={"gaps": dg.MetadataValue.json(gaps)},
    )


def _none_found(
    offending: DataFrame, severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR, advice: str = ""
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=offending.is_empty(),
        severity=severity,
        description="" if offending.is_empty() else advice,
        metadata={"found": offending.height, "examples": dg.MetadataValue.md(markdown_table(offending))},
    )
