"""The asset graph: every stage's assets and checks, with what they need to run.

`workspace.yaml` loads `defs`. Tests and the command line call `build_definitions` with settings of their own.
Heavy libraries are imported inside asset bodies, so that loading this module stays fast.
"""

from collections.abc import Iterable, Mapping

import dagster as dg

import artpipe.catalog.assets
import artpipe.catalog.checks
import artpipe.embedding.assets
import artpipe.embedding.checks
import artpipe.evaluation.assets
import artpipe.evaluation.checks
import artpipe.images.assets
import artpipe.images.checks
import artpipe.search.assets
import artpipe.search.checks
import artpipe.sources.assets
import artpipe.splits.assets
import artpipe.splits.checks
import artpipe.training.assets
import artpipe.training.checks
from artpipe.lake.paths import DataLake
from artpipe.orchestration.automation import automated, automation_sensors, rescrape_schedule
from artpipe.orchestration.io import LanceIOManager, ModelIOManager, ParquetIOManager
from artpipe.orchestration.lineage import Lineage, code_version
from artpipe.orchestration.resources import GalleryResource
from artpipe.settings import Settings

ASSET_MODULES = (
    artpipe.sources.assets,
    artpipe.catalog.assets,
    artpipe.images.assets,
    artpipe.splits.assets,
    artpipe.training.assets,
    artpipe.evaluation.assets,
    artpipe.embedding.assets,
    artpipe.search.assets,
)
CHECK_MODULES = (
    artpipe.catalog.checks,
    artpipe.images.checks,
    artpipe.splits.checks,
    artpipe.training.checks,
    artpipe.evaluation.checks,
    artpipe.embedding.checks,
    artpipe.search.checks,
)

# A setting that shapes the content of an asset is part of its code version, in words: changing it makes that asset
# stale, and nothing above it, and whoever asks why can be told.
SHAPING_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "wanted_images": ("forms", "max_artworks"),
    "images": ("image_short_side_px",),
    "splits": ("split_salt", "unseen_artist_share", "label_overrides_content", "same_work_content"),
    "training_set": ("retrain_drift",),
    "features": ("backbone", "backbone_weights_content", "resolved_train_image_px"),
    "classifier": (
        "recipe",
        "embedding_dimensions",
        "backbone",
        "backbone_weights_content",
        "resolved_train_image_px",
        "epochs",
        "batch_size",
        "learning_rate",
        "seed",
        "warm_start",
    ),
    "suspect_labels": ("label_overrides_content", "seed"),
    "evaluation_report": ("abstain_below",),
    "search_index": ("search_recall",),
    "served_model": ("model_tolerance",),
}


def build_definitions(
    settings: Settings, *, loggers: Mapping[str, dg.LoggerDefinition] | None = None
) -> dg.Definitions:
    """The whole graph for these settings.

    Args:
        settings: where the gallery and the lake are and how everything is to be done.
        loggers: further loggers that a run's config may name.
    """
    lake = DataLake(settings.lake_root)
    lineage = Lineage(lake)
    assets = [
        automated(asset.map_asset_specs(lambda spec: with_shaping_settings(spec, settings)), settings)
        for asset in _loaded(dg.load_assets_from_modules(ASSET_MODULES))
        if settings.same_painting or asset.node_def.name != "local_features"
    ]
    return dg.Definitions(
        assets=assets,
        asset_checks=dg.load_asset_checks_from_modules(CHECK_MODULES),
        resources={
            "lake": lake,
            "lineage": lineage,
            "settings": settings,
            "gallery": GalleryResource.of(settings),
            "io_manager": ParquetIOManager(lineage),
            "lance": LanceIOManager(lake),
            "model": ModelIOManager(lineage),
        },
        # One process for a run: every step would otherwise spend seconds on importing the same libraries again.
        executor=dg.in_process_executor,
        loggers=loggers,
        schedules=[rescrape_schedule(settings)],
        sensors=automation_sensors(settings),
    )


def _loaded(found: Iterable[object]) -> list[dg.AssetsDefinition]:
    return [asset for asset in found if isinstance(asset, dg.AssetsDefinition)]


def with_shaping_settings(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The spec with the settings that shape its asset in its code version."""
    names = SHAPING_SETTINGS.get(spec.key.path[-1], ())
    if not names:
        return spec
    return spec.replace_attributes(
        code_version=code_version(spec.code_version or "", {name: getattr(settings, name) for name in names})
    )


defs = build_definitions(Settings())
