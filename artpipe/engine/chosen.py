"""The engine that the settings name."""

from collections.abc import Callable

from artpipe.engine.shards import Engine, LocalEngine
from artpipe.settings import Settings


def engine_of(settings: Settings, log: Callable[[str], None]) -> Engine:
    """The engine of these settings; a cluster is connected to when work is given to it.

    Args:
        settings: `ray_address`, `ray_task_cpus`, `ray_task_gpus`.
        log: is given a line where the cluster makes the work wait.
    """
    if settings.ray_address is None:
        return LocalEngine()
    from artpipe.engine.ray_engine import RayEngine

    lake = settings.data_lake
    folder = str(lake.root) if lake.is_local else None
    return RayEngine(settings.ray_address, settings.ray_task_cpus, settings.ray_task_gpus, folder, log)
