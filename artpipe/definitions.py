"""The asset graph: every stage's assets and checks, with what they need to run.

`workspace.yaml` loads `defs`. Tests and the command line call `build_definitions` with settings of their own. Heavy
libraries are imported inside asset bodies, so that loading this module stays fast.
"""

from typing import Any

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
import artpipe.serving.assets
import artpipe.sources.assets
import artpipe.sources.checks
import artpipe.splits.assets
import artpipe.splits.checks
import artpipe.training.assets
import artpipe.training.checks
from artpipe.errors import BadSettingError
from artpipe.orchestration.automation import accept_loss_job, automation_sensors, promising_age, rescrape_schedule
from artpipe.orchestration.blocking_checks import BlockingChecks
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.io import LakeIOManager
from artpipe.orchestration.lineage import Lineage
from artpipe.settings import Settings, read_settings
from artpipe.sources.resources import GalleryResource

ASSET_MODULES = (
    artpipe.sources.assets,
    artpipe.catalog.assets,
    artpipe.images.assets,
    artpipe.splits.assets,
    artpipe.training.assets,
    artpipe.embedding.assets,
    artpipe.evaluation.assets,
    artpipe.serving.assets,
    artpipe.search.assets,
)
CHECK_MODULES = (
    artpipe.sources.checks,
    artpipe.catalog.checks,
    artpipe.images.checks,
    artpipe.splits.checks,
    artpipe.training.checks,
    artpipe.evaluation.checks,
    artpipe.embedding.checks,
    artpipe.search.checks,
)


def build_definitions(settings: Settings) -> dg.Definitions:
    """The whole graph for these settings."""
    lake = settings.data_lake
    left_out = [] if settings.same_painting else ["local_features"]
    left_out += [] if settings.image_text_model else ["image_text_vectors", "observe_image_text_model"]
    assets = [
        promising_age(asset.map_asset_specs(lambda spec: with_code_version(spec, settings)), settings)
        for asset in dg.load_assets_from_modules(ASSET_MODULES)
        if isinstance(asset, dg.AssetsDefinition) and asset.node_def.name not in left_out
    ]
    checks = list(dg.load_asset_checks_from_modules(CHECK_MODULES))
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        resources={
            "lineage": Lineage(lake),
            "lake": lake,
            "settings": settings,
            "blocking_checks": BlockingChecks.among(spec for step in (*assets, *checks) for spec in step.check_specs),
            "gallery": GalleryResource.of(settings),
            "io_manager": LakeIOManager(lake),
        },
        # One process for a run: every step would otherwise spend seconds on importing the same libraries again.
        executor=dg.in_process_executor,
        jobs=[accept_loss_job(assets)],
        schedules=[_schedule(settings)],
        sensors=automation_sensors(settings),
    )


class ArtCollection(dg.Component, dg.Model, dg.Resolvable):
    """The whole graph as a component of another Dagster project, one collection to a code location.

    In its `defs.yaml` the type is `artpipe.definitions.ArtCollection`, and `attributes` has `settings`: any setting by
    its name, such as `sources` and `lake`. Those that are not named are taken from the environment.
    """

    settings: dict[str, Any] = {}  # noqa: RUF012 - a field of pydantic, which copies it

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002
        """The graph for these settings.

        Raises:
            BadSettingError: one of them cannot be taken, or is none.
        """
        if unknown := sorted(set(self.settings) - set(Settings.model_fields)):
            raise BadSettingError(
                f"{', '.join(map(repr, unknown))} is no setting; see docs/settings.md for their names."
            )
        return build_definitions(read_settings(**self.settings))


def with_code_version(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The spec with the settings that shape its asset in its code version."""
    declared = DECLARED.get(spec.key.path[-1])
    return (
        spec
        if declared is None or not declared.version
        else spec.replace_attributes(code_version=declared.code_version(settings))
    )


def _schedule(settings: Settings) -> dg.ScheduleDefinition:
    try:
        return rescrape_schedule(settings)
    except dg.DagsterInvalidDefinitionError as error:
        raise BadSettingError(
            f"ARTPIPE_RESCRAPE_CRON={settings.rescrape_cron!r} is no cron line; write five fields such as "
            "`0 3 * * 1`, Mondays at 3:00."
        ) from error


defs = build_definitions(read_settings())
