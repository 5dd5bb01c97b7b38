"""A person decides which model is served: the asset `served_model` is materialised with that choice.

It is recorded in the lake's Dagster instance, so that Dagster shows everything downstream as stale.
"""

from typing import Any

import dagster as dg
from rich.console import Console

from artpipe.lake.lock import refresh_lock
from artpipe.models.registry import find_model
from artpipe.models.served import previous_model_id, read_pointer
from artpipe.orchestration.in_process import execute_in_this_process
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings


def promote(definitions: dg.Definitions, settings: Settings, model_id: str) -> bool:
    """Serve a saved model, or the one that it is the refit of, whatever its comparison shows.

    Args:
        definitions: the assets of these settings.
        settings: which lake, and which Dagster home.
        model_id: the model.

    Returns:
        Whether anything changed; not if it is served already.

    Raises:
        UnknownModelError: the lake holds no such model.
        CorruptModelError: it is damaged.
    """
    lake = settings.data_lake
    model_id = find_model(lake, model_id).measured_id
    if read_pointer(lake).model_id == model_id:
        return False
    materialize_with_config(definitions, settings, "served_model", {"promote": model_id})
    return True


def roll_back(definitions: dg.Definitions, settings: Settings) -> str:
    """Serve the model that was served before the present one, and return its id.

    Args:
        definitions: the assets of these settings.
        settings: which lake, and which Dagster home.

    Raises:
        NoModelError: nothing was trained yet.
        NoPreviousModelError: there is no earlier model.
        CorruptModelError: the earlier model is damaged.
    """
    model_id = previous_model_id(settings.data_lake)
    promote(definitions, settings, model_id)
    return model_id


def materialize_with_config(
    definitions: dg.Definitions, settings: Settings, asset: str, config: dict[str, Any]
) -> None:
    """Materialise one asset in this process with this run config, and record it in the lake's Dagster instance."""
    run_config = {"ops": {asset: {"config": config}}}
    lock = refresh_lock(settings.data_lake, Console(stderr=True), doing="a change of the served model")
    with lock, open_instance(settings) as instance:
        execute_in_this_process(definitions, instance, [asset], run_config)
