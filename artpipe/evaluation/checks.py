"""What must hold of the evaluation."""

import json

import dagster as dg

from artpipe.lake.paths import DataLake


@dg.asset_check(asset="evaluation_report")
def the_classifier_beats_guessing(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """On unseen works every task is right more often than always answering the commonest class."""
    report = json.loads(lake.evaluation_report.read_bytes())
    scores = report["splits"]["test"]["classification"]
    beaten = {
        task: round(found["at_1"] - found["majority_floor"], 4)
        for task, found in scores.items()
        if found["at_1"] is not None and found["majority_floor"] is not None
    }
    return dg.AssetCheckResult(
        passed=all(margin > 0 for margin in beaten.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"above_the_floor": dg.MetadataValue.json(beaten)},
    )


@dg.asset_check(asset="evaluation_report")
def no_held_out_work_was_taught(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """No held-out picture shows, by its vector, its hash or its local features, a painting that was taught."""
    leaks = json.loads(lake.evaluation_report.read_bytes())["leaks"]
    found = leaks["confirmed"]
    advice = (
        f"{len(found)} held-out pictures show a painting that was taught under another name. Look at "
        f"{lake.report('evaluation/leaks.png')}, put the lines of "
        f"{lake.report('evaluation/same_work_suggestions.csv')} that are right into "
        f'{lake.overrides("same_work")}, and materialize "splits".'
    )
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=advice if found else f"{leaks['candidates']} suspects were compared; none is the same painting.",
        metadata={"compared": leaks["candidates"], "pairs": dg.MetadataValue.json(found)},
    )
