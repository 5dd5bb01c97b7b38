"""Who is trained on, who is measured on: works dealt out without leaks, and stable as the catalogue grows."""

from typing import Any

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake, write_whole
from artpipe.lake.spreadsheet import spreadsheet_csv
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import markdown_table, recorded, save_picture
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.reuse import CHANGES, RunConfig, reused
from artpipe.settings import Settings

GROUP = "splits"


@dg.asset(group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", owners=["team:artpipe"])
def splits(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artworks: DataFrame,
    images: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """Train, validation, test or unseen-artist membership of every usable image, decided work by work."""
    import polars as pl

    from artpipe.splits.assign import assign_splits, split_counts
    from artpipe.splits.corrections import correct_labels, told_corrections
    from artpipe.splits.freeze import measure_drift
    from artpipe.splits.leaks import class_balance
    from artpipe.splits.overrides import read_overrides
    from artpipe.splits.works import group_works

    if held := reused(context, lineage, config):
        return held[0]
    from artpipe.figures.plots import class_balance_picture

    overrides = read_overrides(settings.override_files, artworks["artwork_id"])
    for remark in overrides.remarks:
        context.log.warning(remark)
    corrections = told_corrections(artworks, overrides.labels)
    write_whole(lake.report("splits/corrections.csv"), spreadsheet_csv(corrections))
    # What was one work stays one work under its old name, so that growth of the catalogue moves nobody.
    previous = read_table_if_exists(lake, "splits")
    works = group_works(artworks, images, previous, overrides.same_work)
    table = correct_labels(assign_splits(works, artworks, images, settings.split_config()), overrides.labels)
    balance = class_balance(table)
    picture = save_picture(lake, "splits/class_balance.png", class_balance_picture(balance))
    return recorded(
        "splits",
        table,
        lineage,
        metadata={
            CHANGES: dg.MetadataValue.json(
                measure_drift(table, table.clear() if previous is None else previous).told()
            ),
            **split_counts(table),
            "works": table["work_id"].n_unique(),
            "artists": table["artist_id"].n_unique(),
            "class_balance": picture,
            "labels_corrected": corrections.filter(pl.col("effect") != "confirmed").height,
            "labels_confirmed": corrections.filter(effect="confirmed").height,
            "corrections": dg.MetadataValue.md(markdown_table(corrections, rows=corrections.height)),
            "joined_by_a_person": overrides.same_work.height,
            "override_remarks": dg.MetadataValue.md("\n".join(f"- {remark}" for remark in overrides.remarks)),
        },
    )
