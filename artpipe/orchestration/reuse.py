"""An asset that would come out as it is does no work, however it was asked for.

Dagster runs every step of a selection, stale or not. So each asset begins with `reused`: where the lake holds it
already, made from the very inputs, code and settings that it would be made from now, the step records the same data
version and is done. Roots are never reused: only the gallery knows whether it changed.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from artpipe.orchestration.lineage import Lineage, Origin

WORK = ("requests", "not_modified", "bodies", "images_fetched", "images_decoded", "images_embedded", "rows_updated")
"""Names of the metadata that count work; a refresh adds them up, and in a reused asset they are 0."""

REUSED = "reused"
CHANGES = "changes"
"""Name of the metadata that says in words and counts what is other than before, such as `{"new": 3, "gone": 0}`."""


class RunConfig(dg.Config):
    """Run config of every asset: `force` makes it anew although nothing changed."""

    force: bool = False


def reused(context: dg.AssetExecutionContext, lineage: Lineage, config: RunConfig) -> list[dg.MaterializeResult[Any]]:
    """What the step is done with because nothing changed; empty where there is work to do, which is then begun.

    Args:
        context: of the step.
        lineage: the records of the lake.
        config: says whether to work in any case.
    """
    assets = _origins(context, lineage)
    records = {asset: lineage.read(asset) for asset in assets}
    if not config.force and all(
        record is not None and record.origin == assets[asset] and lineage.lake.artefact(asset).exists()
        for asset, record in records.items()
    ):
        context.log.info(f"nothing changed that {', '.join(assets)} depends on; what the lake holds is used again")
        return [
            dg.MaterializeResult(
                asset_key=asset,
                data_version=dg.DataVersion(record.data_version),
                metadata=_told_again(context, asset, record.data_version),
            )
            for asset, record in records.items()
            if record is not None
        ]
    begin(context, lineage)
    return []


def begin(context: dg.AssetExecutionContext, lineage: Lineage) -> None:
    """Say that the assets of this step are about to be touched.

    When one is in the lake, call `lineage.complete`, or hand its table to the Parquet IO manager.
    """
    for asset, origin in _origins(context, lineage).items():
        lineage.begin(asset, origin)


def _origins(context: dg.AssetExecutionContext, lineage: Lineage) -> dict[str, Origin]:
    """What each asset of this step would be made from now."""
    specs = context.assets_def.specs_by_key
    return {
        key.path[-1]: Origin(
            specs[key].code_version or "", lineage.versions(sorted(dep.asset_key.path[-1] for dep in specs[key].deps))
        )
        for key in sorted(context.selected_asset_keys)
    }


def _told_again(context: dg.AssetExecutionContext, asset: str, data_version: str) -> Mapping[str, Any]:
    """The metadata of the materialisation that is used again, its counts of work set to 0."""
    event = context.instance.get_latest_materialization_event(dg.AssetKey(asset))
    made = event.asset_materialization if event else None
    if made is None or (made.tags or {}).get("dagster/data_version") != data_version:
        return {REUSED: True}
    kept = {name: value for name, value in made.metadata.items() if name not in (CHANGES, *WORK)}
    return {**kept, **{name: 0 for name in WORK if name in made.metadata}, REUSED: True}
