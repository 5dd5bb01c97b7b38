"""Which model is served: the candidate if it is no worse than the served one, or the one that a person names.

The comparison itself is handed in, so that everything here is about pointers and reasons.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from artpipe.evaluation.comparison import Comparison
from artpipe.lake.paths import DataLake, write_whole
from artpipe.models.card import CorruptModelError, ModelCard, load_card
from artpipe.models.checkpoint import load_model
from artpipe.models.registry import (
    COMPARISON_FILE,
    candidate_id,
    find_model,
    remove_model,
    saved_models,
    unneeded_models,
)
from artpipe.models.served import DecidedBy, Declined, NoModelError, Pointer, Serving, read_pointer, write_pointer

Compare = Callable[[ModelCard, ModelCard], Comparison]
"""Compares a model with the served one, in this order."""


@dataclass(frozen=True)
class Choice:
    """What was decided, and why."""

    challenger: str
    """The candidate, or the model that a person named."""
    before: str | None
    now: str
    decided_by: DecidedBy | None
    """None where nothing moved."""
    is_no_worse: bool
    """Whether the challenger holds its own; true where there was nothing to compare it with."""
    reason: str
    comparison: Comparison | None = None


def choose_served(
    lake: DataLake,
    compare: Compare,
    *,
    tolerance: float,
    promote: str | None = None,
    force: bool = False,
    now: datetime | None = None,
) -> Choice:
    """Decide which model is served from now on, and write it down.

    Args:
        lake: where the models and the pointer are.
        compare: asked where there are two models to compare.
        tolerance: how much lower the mean accuracy of the candidate may be.
        promote: serve this model whatever the comparison says.
        force: compare a candidate although it was turned down before.
        now: when this happens.

    Raises:
        UnknownModelError: the model to promote is not in the lake.
        NoModelError: nothing was trained yet.
        CorruptModelError: the model that would be served is damaged.
    """
    pointer, candidate = read_pointer(lake), candidate_id(lake)
    if promote is not None:
        named = load_card(lake.model(find_model(lake, promote).model_id))
        choice = _chosen_by_a_person(lake, pointer, named, compare, tolerance)
    else:
        name = candidate or pointer.model_id
        if name is None:
            raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier".')
        choice = _chosen_by_comparison(lake, pointer, load_card(lake.model(name)), compare, tolerance, force=force)
    if choice.comparison is not None:
        told = choice.comparison.to_dict() | {"tolerance": tolerance, "is_no_worse": choice.is_no_worse}
        write_whole(lake.model(choice.challenger) / COMPARISON_FILE, json.dumps(told, indent=1).encode())
    since = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    moved = _moved(pointer, choice, tolerance, since, candidate)
    if moved != pointer:
        write_pointer(lake, moved)
    return choice


def _moved(pointer: Pointer, choice: Choice, tolerance: float, since: str, candidate: str | None) -> Pointer:
    """The pointer after a choice."""
    if choice.decided_by is None:
        is_turned_down = choice.comparison is not None and choice.challenger != choice.now
        why = Declined("check", choice.reason, tolerance)
        return pointer.without(choice.challenger, why) if is_turned_down else pointer
    moved = pointer.served_by(Serving(choice.now, since, choice.decided_by, choice.reason))
    # What a person turned away from would otherwise come back by itself: it is the candidate, or may be again.
    is_left = choice.decided_by == "person" and (choice.before == candidate or choice.now == pointer.previous)
    if choice.before is None or choice.before == choice.now or not is_left:
        return moved
    return moved.without(choice.before, Declined("person", f"on {since} a person chose {choice.now} instead"))


def _chosen_by_a_person(
    lake: DataLake, pointer: Pointer, named: ModelCard, compare: Compare, tolerance: float
) -> Choice:
    before, name = pointer.model_id, named.model_id
    if before == name:
        return Choice(name, before, name, None, is_no_worse=True, reason="it is served already")
    load_model(lake.model(name))  # nothing damaged is put into service
    comparison = _compared(lake, named, before, compare)
    if comparison is None:
        return Choice(name, before, name, "person", is_no_worse=True, reason="a person chose it")
    reason = f"a person chose it; {comparison.verdict(tolerance)}"
    return Choice(name, before, name, "person", comparison.is_no_worse(tolerance), reason, comparison)


def _chosen_by_comparison(
    lake: DataLake, pointer: Pointer, candidate: ModelCard, compare: Compare, tolerance: float, *, force: bool
) -> Choice:
    before, name = pointer.model_id, candidate.model_id
    if before is None:
        reason = "the first model of this lake: there was none to compare it with"
        return Choice(name, None, name, "first", is_no_worse=True, reason=reason)
    if before == name:
        return Choice(name, before, name, None, is_no_worse=True, reason="it is served already")
    declined = pointer.declined.get(name)
    if declined is not None and not force and not _is_pardoned(declined, tolerance):
        return Choice(name, before, before, None, is_no_worse=False, reason=declined.reason)
    comparison = _compared(lake, candidate, before, compare)
    if comparison is None:
        reason = f"the model served before, {before}, is missing or damaged"
        return Choice(name, before, name, "check", is_no_worse=True, reason=reason)
    reason = comparison.verdict(tolerance)
    if comparison.is_no_worse(tolerance):
        return Choice(name, before, name, "check", is_no_worse=True, reason=reason, comparison=comparison)
    return Choice(name, before, before, None, is_no_worse=False, reason=reason, comparison=comparison)


def _is_pardoned(declined: Declined, tolerance: float) -> bool:
    """Whether a check that turned a model down may be made again: more is tolerated now."""
    return declined.by == "check" and declined.tolerance is not None and tolerance > declined.tolerance


def _compared(lake: DataLake, challenger: ModelCard, served: str | None, compare: Compare) -> Comparison | None:
    """The comparison with the served model; None where that one is missing or damaged."""
    if served is None:
        return None
    try:
        return compare(challenger, load_card(lake.model(served)))
    except CorruptModelError:
        load_model(lake.model(challenger.model_id))  # if it is the challenger that is damaged, that is an error
        return None


def remove_old_models(lake: DataLake, keep: int) -> list[str]:
    """Remove models that are neither served, nor the candidate, nor what a rollback needs, nor among the newest.

    Args:
        lake: where the models are.
        keep: how many of the newest stay in any case.

    Returns:
        What was removed.
    """
    pointer = read_pointer(lake)
    saved = [model.model_id for model in saved_models(lake)]
    removed = unneeded_models(saved, {pointer.model_id, pointer.previous, candidate_id(lake)}, keep)
    for model_id in removed:
        remove_model(lake, model_id)
    if (kept := pointer.only_of(set(saved) - set(removed))) != pointer:
        write_pointer(lake, kept)
    return removed
