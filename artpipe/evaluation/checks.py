"""What must hold of the evaluation."""

import json

import dagster as dg

from artpipe.lake import DataLake


@dg.asset_check(asset="evaluation_report")
def the_classifier_beats_guessing(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """On unseen works every task is right more often than always answering the commonest class."""
    report = json.loads(lake.report("evaluation/report.json").read_bytes())
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
