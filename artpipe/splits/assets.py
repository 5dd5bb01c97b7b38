"""Which split every usable image is in: works assigned without leaks, and stable as the catalogue grows."""

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists, write_table
from artpipe.lake.paths import file_version, write_whole
from artpipe.lake.spreadsheet import spreadsheet_csv
from artpipe.orchestration.asset import AssetStep, Result, observed_file, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import CHANGES, markdown_table, save_picture
from artpipe.orchestration.storage import PARQUET
from artpipe.settings import Settings
from artpipe.tasks import Tasks


@observed_file
def label_overrides(settings: Settings) -> str:
    """The file of labels that a person corrected, or confirmed."""
    return file_version(settings.label_overrides or settings.data_lake.overrides("labels")) or "none"


@observed_file
def same_work_overrides(settings: Settings) -> str:
    """The file of pictures that a person joined into one work."""
    return file_version(settings.data_lake.overrides("same_work")) or "none"


@pipeline_asset(
    kinds={"polars", "parquet"},
    code_version="2",
    shaped_by=("split_salt", "unseen_artist_share"),
    deps=["label_overrides", "same_work_overrides"],
    stored=PARQUET.with_files(lambda lake: [lake.table("near_duplicates"), lake.table("works"), lake.report("splits")]),
    renamed={"label_overrides_content": "label_overrides", "same_work_content": "same_work_overrides"},
)
def splits(step: AssetStep, artworks: DataFrame, tasks: Tasks, images: DataFrame) -> Result:
    """Train, validation, test or unseen-artist membership of every usable image, decided work by work."""
    import polars as pl

    from artpipe.figures.plots import class_balance_picture
    from artpipe.splits.assign import SplitConfig, assign_splits, split_counts
    from artpipe.splits.corrections import compare_corrections, correct_labels
    from artpipe.splits.freeze import measure_drift
    from artpipe.splits.leaks import class_balance
    from artpipe.splits.near_duplicates import find_near_duplicates
    from artpipe.splits.overrides import OverrideFiles, read_overrides
    from artpipe.splits.works import group_works, remember_works, works_of_several_sources

    overrides = read_overrides(OverrideFiles.from_settings(step.settings), artworks["artwork_id"])
    for remark in overrides.remarks:
        step.context.log.warning(remark)
    corrections = compare_corrections(artworks, overrides.labels, tasks)
    write_whole(step.lake.report("splits/corrections.csv"), spreadsheet_csv(corrections))
    config = SplitConfig.from_settings(step.settings)
    near_duplicates = find_near_duplicates(artworks, images)
    write_table(step.lake.table("near_duplicates"), near_duplicates)  # for the check
    # A work keeps its id, so that growth of the catalogue moves no row to another split.
    previous = read_table_if_exists(step.lake, "splits")
    named = read_table_if_exists(step.lake, "works")
    named = previous if named is None else named
    works = group_works(artworks, near_duplicates, named, overrides.same_work, config)
    write_table(step.lake.table("works"), remember_works(works, named))
    assigned = assign_splits(works, artworks, images, tasks, config)
    table = correct_labels(assigned, overrides.labels)
    balance = class_balance_picture(class_balance(table), tasks)
    return Result(
        table,
        metadata={
            CHANGES: dg.MetadataValue.json(
                measure_drift(table, table.clear() if previous is None else previous).summary()
            ),
            **split_counts(table),
            "works": table["work_id"].n_unique(),
            "works_of_several_sources": works_of_several_sources(table, artworks),
            "artists": table["artist_id"].n_unique(),
            "class_balance": save_picture(step.lake, "splits/class_balance.png", balance),
            "labels_corrected": corrections.filter(pl.col("effect") != "confirmed").height,
            "labels_confirmed": corrections.filter(effect="confirmed").height,
            "corrections": dg.MetadataValue.md(markdown_table(corrections, rows=corrections.height)),
            "joined_by_a_person": overrides.same_work.height,
            "override_remarks": dg.MetadataValue.md("\n".join(f"- {remark}" for remark in overrides.remarks)),
        },
    )
