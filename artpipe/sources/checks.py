"""What must hold of the sources."""

from datetime import UTC, datetime

import dagster as dg

from artpipe.lake.absence import read_absences
from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check


@pipeline_check(asset="raw_catalog")
def every_source_answered(lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """Every source answered when it was asked last; the collection goes on with the stored copy of one that did not."""
    absences, now = read_absences(lake), datetime.now(UTC)
    said = [
        f"{name} has not answered since {one.since[:10]} ({one.days(now):.0f} days): {one.reason.rstrip('.')}."
        for name, one in absences.items()
    ]
    advice = "Its copy in the lake is used, and the next refresh asks again. Look whether its address has changed."
    return dg.AssetCheckResult(
        passed=not absences,
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join([*said, advice]) if absences else "",
        metadata={"away": dg.MetadataValue.json({name: one.since for name, one in absences.items()})},
    )
