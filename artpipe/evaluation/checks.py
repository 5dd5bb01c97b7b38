"""Asset checks of the evaluation."""

import json

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check


@pipeline_check(asset="evaluation_report")
def the_classifier_beats_guessing(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """On unseen works every task beats the majority baseline, which always predicts the most frequent class."""
    report = json.loads(lake.evaluation_report.read_bytes())
    scores = report["splits"]["test"]["classification"]
    margins = {
        task: round(found["at_1"] - found["majority_floor"], 4)
        for task, found in scores.items()
        if found["at_1"] is not None and found["majority_floor"] is not None
    }
    worse = [task for task, margin in margins.items() if margin <= 0]
    return dg.AssetCheckResult(
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"On works that it never saw, the classifier is no better at {', '.join(worse)} than one that "
        "always says the most frequent class. Search works all the same; take its guesses with caution. More pictures, "
        "fewer classes or another recipe (ARTPIPE_RECIPE) may help."
        if worse
        else "",
        metadata={"above_the_floor": dg.MetadataValue.json(margins)},
    )


@pipeline_check(asset="evaluation_report")
def no_held_out_work_was_trained_on(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """No held-out image shows a work that the model was trained on, by its vector, its hash or its local features."""
    leaks = json.loads(lake.evaluation_report.read_bytes())["leaks"]
    found = leaks["confirmed"]
    advice = (
        f"{len(found)} held-out images show a work that the model was trained on under another name. Look at "
        f"{lake.report('evaluation/leaks.png')}, copy the correct lines of "
        f"{lake.report('evaluation/same_work_suggestions.csv')} to "
        f'{lake.overrides("same_work")}, and materialize "splits".'
    )
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        description=advice if found else f"{leaks['candidates']} candidates were compared; none shows the same work.",
        metadata={"compared": leaks["candidates"], "pairs": dg.MetadataValue.json(found)},
    )
