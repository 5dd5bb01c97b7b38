"""Whether the blocking checks of an asset passed on what it holds now; until they have, nothing is made from it.

Dagster itself stops the run in which a blocking check fails, and that run alone. So `next_assets.py` holds what is
below, and the step of an asset refuses to run, however it was started.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.orchestration.next_assets import in_words

DATA_VERSION_TAG = "dagster/data_version"


class BlockingCheckError(ArtpipeError):
    """A blocking check failed or did not run, so that nothing may be made from the asset that it is about."""


@dataclass(frozen=True)
class BlockingChecks:
    """The names of the blocking checks by their asset; a resource, since a run knows the checks of its own assets only.

    Attributes:
        names: by the name of the asset.
    """

    names: Mapping[str, tuple[str, ...]]

    @classmethod
    def among(cls, specs: Iterable[dg.AssetCheckSpec]) -> "BlockingChecks":
        """The blocking ones of these checks."""
        names: dict[str, tuple[str, ...]] = {}
        for spec in sorted(specs, key=lambda spec: spec.name):
            if spec.blocking:
                asset = spec.asset_key.path[-1]
                names[asset] = (*names.get(asset, ()), spec.name)
        return cls(names)

    def refuse_below_failed(self, instance: dg.DagsterInstance, upstream: Collection[str]) -> None:
        """Stop a step whose inputs did not pass their blocking checks.

        Args:
            instance: Dagster's event log.
            upstream: the assets that the step reads.

        Raises:
            BlockingCheckError: one of them did not.
        """
        for asset in upstream:
            key = dg.AssetKey(asset)
            records = instance.get_asset_records([key]) if self.names.get(asset) else []
            event = records[0].asset_entry.last_materialization_record if records else None
            for why in in_words(*unmet_checks(instance, self.names.get(asset, ()), event)):
                raise BlockingCheckError(
                    f"{why} on `{asset}`, so nothing is made from it; run `artpipe refresh`, which checks it again."
                )


def unmet_checks(
    instance: dg.DagsterInstance, checks: Collection[str], event: dg.EventLogRecord | None
) -> tuple[list[str], list[str]]:
    """The checks that failed on what an asset holds, and those that did not run on it.

    Args:
        instance: Dagster's event log.
        checks: names of the asset's blocking checks.
        event: its last materialisation; nothing is unmet where it has none.
    """
    failed: list[str] = []
    skipped: list[str] = []
    if event is None or event.asset_key is None:
        return failed, skipped
    for check in checks:
        found = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(event.asset_key, check))
        evaluation = found.event.asset_check_evaluation if found and found.event else None
        if evaluation is None or not _is_of_present_version(instance, evaluation, event):
            skipped.append(check)
        elif not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            failed.append(check)
    return failed, skipped


def data_version_of(event: dg.EventLogRecord) -> str | None:
    """The data version of a materialisation."""
    materialization = event.asset_materialization
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def _is_of_present_version(
    instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation, event: dg.EventLogRecord
) -> bool:
    """Whether a check evaluated the last materialisation of its asset, or an earlier one with the same data version."""
    target = evaluation.target_materialization_data
    if target is None or target.storage_id == event.storage_id:
        return target is not None
    filter_ = dg.AssetRecordsFilter(evaluation.asset_key, storage_ids=[target.storage_id])
    earlier = instance.fetch_materializations(filter_, limit=1).records
    return bool(earlier) and data_version_of(earlier[0]) == data_version_of(event)
