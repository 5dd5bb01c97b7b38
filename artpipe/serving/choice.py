"""Chooses the served model: the candidate if it is no worse than the served one, or the model that a person promotes.

The comparison is passed in as a function; this module reads and writes pointers and reasons.
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
    """A decision and its reason.

    Attributes:
        challenger: the candidate, or the model that a person named.
        previous: the model served until now; None where there was none.
        served: the model served from now on.
        decided_by: None where nothing changed.
        is_no_worse: whether the challenger passed the comparison; true where there was nothing to compare it with.
        reason: in words.
        comparison: of the challenger with the served model, if there was one.
    """

    challenger: str
    previous: str | None
    served: str
    decided_by: DecidedBy | None
    is_no_worse: bool
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
    """Choose the served model, and write the pointer and the comparison.

    Args:
        lake: where the models and the pointer are.
        compare: called where there are two models to compare.
        tolerance: how much lower the mean accuracy of the candidate may be.
        promote: serve this model whatever the comparison.
        force: compare a candidate although it was declined earlier.
        now: time of the decision.

    Raises:
        UnknownModelError: the model to promote is not in the lake.
        NoModelError: nothing was trained yet.
        CorruptModelError: the model that would be served is damaged.
    """
    pointer, candidate = read_pointer(lake), candidate_id(lake)
    if promote is not None:
        named = load_card(lake.model(find_model(lake, promote).measured_id))
        choice = _chosen_by_a_person(lake, pointer, named, compare, tolerance)
    else:
        name = candidate or pointer.model_id
        if name is None:
            raise NoModelError(f'no model was trained in {lake.root} yet; materialize "classifier".')
        choice = _chosen_by_comparison(lake, pointer, load_card(lake.model(name)), compare, tolerance, force=force)
    if choice.comparison is not None:
        result = choice.comparison.to_dict() | {"tolerance": tolerance, "is_no_worse": choice.is_no_worse}
        write_whole(lake.model(choice.challenger) / COMPARISON_FILE, json.dumps(result, indent=1).encode())
    since = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    updated = _updated_pointer(pointer, choice, tolerance, since, candidate)
    if updated != pointer:
        write_pointer(lake, updated)
    return choice


def restore_pointer(lake: DataLake, served: str | None, tolerance: float, now: datetime | None = None) -> None:
    """Write a pointer that was lost anew: the same model stays served, and the candidate beside it stays declined.

    Args:
        lake: where the models and the pointer are.
        served: the model that was served by the lake's records; None where they name none.
        tolerance: as for `choose_served`.
        now: the present.
    """
    saved = {model.model_id for model in saved_models(lake) if model.refit_of is None}
    if served not in saved or read_pointer(lake).now is not None:
        return
    since = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    reason = "the pointer was lost, and the lake's records name this model"
    pointer, candidate = Pointer(Serving(served, since, "check", reason)), candidate_id(lake)
    if candidate in saved and candidate != served:
        pointer = pointer.without(
            candidate, Declined("check", f"{served} was served when the pointer was lost", tolerance)
        )
    write_pointer(lake, pointer)


def _updated_pointer(pointer: Pointer, choice: Choice, tolerance: float, since: str, candidate: str | None) -> Pointer:
    """The pointer after a choice."""
    if choice.decided_by is None:
        is_declined = choice.comparison is not None and choice.challenger != choice.served
        return (
            pointer.without(choice.challenger, Declined("check", choice.reason, tolerance)) if is_declined else pointer
        )
    updated = pointer.served_by(Serving(choice.served, since, choice.decided_by, choice.reason))
    # The replaced model is the candidate, or may become it again: it must not be served again automatically.
    may_return = choice.decided_by == "person" and (choice.previous == candidate or choice.served == pointer.previous)
    if not may_return or choice.previous is None or choice.previous == choice.served:
        return updated
    return updated.without(choice.previous, Declined("person", f"on {since} a person chose {choice.served} instead"))


def _chosen_by_a_person(
    lake: DataLake, pointer: Pointer, named: ModelCard, compare: Compare, tolerance: float
) -> Choice:
    current, name = pointer.model_id, named.model_id
    if current == name:
        return Choice(name, current, name, None, is_no_worse=True, reason="it is served already")
    load_model(lake.model(name))  # a damaged model is never served
    comparison = _compared(lake, named, current, compare) if current else None
    if comparison is None:
        return Choice(name, current, name, "person", is_no_worse=True, reason="a person chose it")
    reason = f"a person chose it; {comparison.verdict(tolerance)}"
    return Choice(name, current, name, "person", comparison.is_no_worse(tolerance), reason, comparison)


def _chosen_by_comparison(
    lake: DataLake, pointer: Pointer, candidate: ModelCard, compare: Compare, tolerance: float, *, force: bool
) -> Choice:
    current, name = pointer.model_id, candidate.model_id
    if current is None:
        reason = "the first model of this lake: there was none to compare it with"
        return Choice(name, None, name, "first", is_no_worse=True, reason=reason)
    if current == name:
        return Choice(name, current, name, None, is_no_worse=True, reason="it is served already")
    if candidate.is_trained and _is_untrained(lake, current):
        reason = f"the model served until now, {current}, predicts nothing"
        return Choice(name, current, name, "check", is_no_worse=True, reason=reason)
    is_damaged, declined = _is_damaged(lake, current), pointer.declined.get(name)
    if declined and not (is_damaged or force or _passes_under_new_tolerance(declined, tolerance)):
        return Choice(name, current, current, None, is_no_worse=False, reason=declined.reason)
    comparison = None if is_damaged else _compared(lake, candidate, current, compare)
    if comparison is None:
        reason = f"the model served until now, {current}, is missing or damaged"
        return Choice(name, current, name, "check", is_no_worse=True, reason=reason)
    reason = comparison.verdict(tolerance)
    if comparison.is_no_worse(tolerance):
        return Choice(name, current, name, "check", is_no_worse=True, reason=reason, comparison=comparison)
    return Choice(name, current, current, None, is_no_worse=False, reason=reason, comparison=comparison)


def _is_untrained(lake: DataLake, model_id: str) -> bool:
    """Whether a model was saved because there was nothing to learn; not where it is missing or damaged."""
    try:
        return not load_card(lake.model(model_id)).is_trained
    except CorruptModelError:
        return False


def _is_damaged(lake: DataLake, model_id: str) -> bool:
    try:
        load_model(lake.model(model_id))
    except CorruptModelError:
        return True
    return False


def _passes_under_new_tolerance(declined: Declined, tolerance: float) -> bool:
    """Whether a model that the check declined may be compared again, because the tolerance was raised."""
    return declined.by == "check" and declined.tolerance is not None and tolerance > declined.tolerance


def _compared(lake: DataLake, challenger: ModelCard, served: str, compare: Compare) -> Comparison | None:
    """The comparison with the served model; None where that one is missing or damaged."""
    try:
        return compare(challenger, load_card(lake.model(served)))
    except CorruptModelError:
        load_model(lake.model(challenger.model_id))  # raises if the challenger is the damaged one
        return None


def remove_old_models(lake: DataLake, keep: int) -> list[str]:
    """Remove models that are neither served, nor the candidate, nor the rollback target, nor among the newest.

    Args:
        lake: where the models are.
        keep: number of the newest models that stay in any case; a refit stays with the model that it is of.

    Returns:
        Ids of the removed models.
    """
    pointer = read_pointer(lake)
    models = saved_models(lake)
    saved = [model.model_id for model in models if model.refit_of is None]
    removed = unneeded_models(saved, {pointer.model_id, pointer.previous, candidate_id(lake)}, keep)
    kept_models = set(saved) - set(removed)
    removed += [model.model_id for model in models if model.refit_of and model.refit_of not in kept_models]
    for model_id in removed:
        remove_model(lake, model_id)
    if (kept := pointer.only_of(kept_models)) != pointer:
        write_pointer(lake, kept)
    return removed
