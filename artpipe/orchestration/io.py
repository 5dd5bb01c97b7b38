"""Reads the inputs of checks: each by the storage that the asset names where it is defined."""

from typing import Any

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.declaration import adopt_older, read_input


class LakeIOManager(dg.IOManager):
    """Reads what assets hold for their checks; `step.py` reads the inputs of assets, and writes what they hold."""

    def __init__(self, lake: DataLake) -> None:
        self.lake = lake

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse a value: an asset that is not made with `pipeline_asset` has no storage."""
        raise dg.DagsterInvariantViolationError(
            f"{context.asset_key.to_user_string()!r} returned a {type(obj).__name__}; declare it with `pipeline_asset` "
            "and return a `Result`."
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what the upstream asset holds, for a check."""
        adopt_older(self.lake)  # a check may run without the step of its asset
        return read_input(self.lake, context.asset_key.path[-1])
