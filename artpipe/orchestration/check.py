"""The one way to make a check of an asset: a check of Dagster whose result stays small, whatever it found.

An asset's own checks, which its step makes, are limited in `step.py`.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from artpipe.orchestration.event_size import limited_result


def pipeline_check(**options: Any) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """Make a check of a function that returns its result.

    Args:
        options: of `dg.asset_check`, such as `asset` and `blocking`.
    """

    def declare(body: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        @functools.wraps(body)
        def check(*arguments: Any, **named: Any) -> dg.AssetCheckResult:
            return limited_result(body(*arguments, **named))

        return dg.asset_check(**options)(check)

    return declare


def pipeline_checks(
    specs: Sequence[dg.AssetCheckSpec], **options: Any
) -> Callable[[Callable[..., Iterator[dg.AssetCheckResult]]], dg.AssetChecksDefinition]:
    """Make several checks of a function that yields their results, such as those that share one scan of a table.

    Args:
        specs: the checks.
        options: of `dg.multi_asset_check`, such as `ins` and `can_subset`.
    """

    def declare(body: Callable[..., Iterator[dg.AssetCheckResult]]) -> dg.AssetChecksDefinition:
        @functools.wraps(body)
        def check(*arguments: Any, **named: Any) -> Iterator[dg.AssetCheckResult]:
            yield from map(limited_result, body(*arguments, **named))

        return dg.multi_asset_check(specs=specs, **options)(check)

    return declare
