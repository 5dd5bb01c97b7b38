"""A person decides which model is served: the asset `served_model` is materialised with that choice.

It goes through the lake's Dagster instance, so that Dagster knows of it and shows everything downstream as stale.
"""

from typing import Any

import dagster as dg
from rich.console import Console

from artpipe.lake.lock import refresh_lock
from artpipe.lake.paths import DataLake
from artpipe.models.registry import find_model
from artpipe.models.served import model_before, read_pointer
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings


def promote(settings: Settings, model_id: str) -> bool:
    """Serve a saved model whatever its comparison says.

    Args:
        settings: whose lake.
        model_id: the model.

    Returns:
        Whether anything changed; not if it is served already.

    Raises:
        UnknownModelError: the lake holds no such model.
        CorruptModelError: it is damaged.
    """
    lake = DataLake(settings.lake_root)
    find_model(lake, model_id)
    if read_pointer(lake).model_id == model_id:
        return False
    materialize_with_config(settings, "served_model", {"promote": model_id})
    return True


def roll_back(settings: Settings) -> str:
    """Serve the model that was served before the present one; its id.

    Raises:
        NoModelError: nothing was trained yet.
        NothingBeforeError: there is no earlier model.
        CorruptModelError: the earlier model is damaged.
    """
    model_id = model_before(DataLake(settings.lake_root))
    promote(settings, model_id)
    return model_id


def materialize_with_config(settings: Settings, asset: str, config: dict[str, Any]) -> None:
    """Materialise one asset here, with this run config, and record it in the lake's Dagster instance."""
    from artpipe.definitions import build_definitions

    job = build_definitions(settings).resolve_implicit_global_asset_job_def()
    run_config = {
        "ops": {asset: {"config": config}},
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},  # the command line tells the outcome itself
    }
    console = Console(stderr=True)
    with refresh_lock(DataLake(settings.lake_root), console), open_instance(settings) as instance:
        job.get_subset(asset_selection={dg.AssetKey(asset)}).execute_in_process(
            instance=instance, run_config=run_config
        )
