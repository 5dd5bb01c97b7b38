"""Reads the inputs of assets and checks: each by the storage that the upstream asset names where it is defined."""

from typing import Any

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.asset import adopt_renamed, declaration_of


class LakeIOManager(dg.IOManager):
    """Reads what assets hold from the lake; `asset.py` writes it, before Dagster is told of it."""

    def __init__(self, lake: DataLake) -> None:
        self.lake = lake

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse a value: an asset that is not made with `pipeline_asset` has no storage."""
        raise dg.DagsterInvariantViolationError(
            f"{context.asset_key.to_user_string()!r} returned a {type(obj).__name__}; declare it with `pipeline_asset` "
            "and return a `Result`."
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read what the upstream asset holds.

        Raises:
            DagsterInvariantViolationError: it names no storage that can be read.
            MissingTableError: it was never made.
        """
        asset = context.asset_key.path[-1]
        declared = declaration_of(asset)
        if declared is None or declared.stored is None or declared.stored.read is None:
            raise dg.DagsterInvariantViolationError(
                f"`{asset}` cannot be read as an input; name it in `deps`, or give its storage a `read`."
            )
        adopt_renamed(self.lake)
        return declared.stored.read(self.lake, asset)
