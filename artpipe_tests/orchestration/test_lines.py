"""What a person reads of a run at a terminal."""

import io

import dagster as dg
import pytest
from rich.console import Console

from artpipe.orchestration.lines import AssetLines

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (
            {"severity": WARN, "metadata": {"share": 0.88333}},
            "! warning: check most_are_held of images: share 0.88333",
        ),
        ({"severity": ERROR, "metadata": {"by_status": {"gone": 3}}}, "! failed: check most_are_held of images"),
        (
            {"severity": ERROR, "description": "[bold] is no markup", "metadata": {"found": 3}},
            "! failed: check most_are_held of images: [bold] is no markup",
        ),
    ],
)
def test_a_failed_check_is_told_with_its_asset_its_severity_and_what_it_found(told: dict[str, object], line: str):
    @dg.asset
    def images() -> None: ...

    @dg.asset_check(asset=images)
    def most_are_held() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, **told)

    console = Console(file=io.StringIO(), width=200)
    lines = AssetLines(console)
    made = dg.materialize([images, most_are_held], raise_on_error=False)
    for event in made.get_asset_check_evaluations():
        lines._handle_check(event)
    assert console.file.getvalue().strip() == line
