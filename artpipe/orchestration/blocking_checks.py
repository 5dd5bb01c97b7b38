"""Whether the blocking checks of an asset passed on what it holds now; until they have, nothing is made from it.

Dagster itself stops the run in which a blocking check fails, and that run alone. So `next_assets.py` holds what is
below, and the step of an asset refuses to run, however it was started.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.metadata import DATA_VERSION_TAG
from artpipe.orchestration.next_assets import in_words


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

    def refuse_below_unmet(self, instance: dg.DagsterInstance, lineage: Lineage, upstream: Collection[str]) -> None:
        """Stop a step whose inputs did not pass their blocking checks.

        Args:
            instance: Dagster's event log.
            lineage: of the lake.
            upstream: the assets that the step reads.

        Raises:
            BlockingCheckError: one of them did not.
        """
        for asset in upstream:
            checks = self.names.get(asset, ())
            version = DECLARED[asset].version_held(lineage.lake, lineage.read(asset)) if checks else None
            for why in in_words(*unmet_checks(instance, asset, checks, version)):
                raise BlockingCheckError(
                    f"{why} on `{asset}`, so nothing is made from it; run `artpipe refresh`, which checks it again."
                )


def unmet_checks(
    instance: dg.DagsterInstance,
    asset: str,
    checks: Collection[str],
    data_version: str | None,
    made: dg.EventLogRecord | None = None,
) -> tuple[list[str], list[str]]:
    """The checks that failed on what the lake holds of an asset, and those that did not run on it.

    The version in the lake counts, not the last that this Dagster home recorded: another home may have written since,
    or the lake was restored.

    Args:
        instance: Dagster's event log.
        asset: which the checks are about.
        checks: names of its blocking checks.
        data_version: of what the lake holds, `ABSENT` where that is incomplete; None where it holds nothing.
        made: the asset's last materialisation, where it was read already.
    """
    failed: list[str] = []
    skipped: list[str] = []
    key = dg.AssetKey(asset)
    for check in checks:
        found = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(key, check))
        evaluation = found.event.asset_check_evaluation if found and found.event else None
        if evaluation is None and data_version is None:
            continue  # the step that reads it has nothing to read
        if evaluation is None or _evaluated_version(instance, evaluation, made) != data_version:
            skipped.append(check)
        elif not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            failed.append(check)
    return failed, skipped


def data_version_of(event: dg.EventLogRecord) -> str | None:
    """The data version of a materialisation."""
    materialization = event.asset_materialization
    return (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None


def _evaluated_version(
    instance: dg.DagsterInstance, evaluation: dg.AssetCheckEvaluation, made: dg.EventLogRecord | None
) -> str | None:
    """The data version of the materialisation that a check evaluated."""
    target = evaluation.target_materialization_data
    if target is None:
        return None
    if made is not None and made.storage_id == target.storage_id:
        return data_version_of(made)
    filter_ = dg.AssetRecordsFilter(evaluation.asset_key, storage_ids=[target.storage_id])
    records = instance.fetch_materializations(filter_, limit=1).records
    return data_version_of(records[0]) if records else None
