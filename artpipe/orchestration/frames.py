"""The type of tables in the signatures of assets and checks.

Dagster looks at annotations while it loads the code location, and loading polars takes a sixth of that time: there the
type is anything, for a type checker it is polars' own.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["DataFrame"]

if TYPE_CHECKING:
    from polars import DataFrame
else:
    DataFrame = Any
