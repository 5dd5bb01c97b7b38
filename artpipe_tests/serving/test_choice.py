"""Choice of the served model, among small untrained models and with a fake comparison."""

import json
from datetime import UTC, datetime

import pytest
import torch

from artpipe.evaluation.comparison import Comparison, TaskComparison
from artpipe.models.card import CorruptModelError, ModelCard, WeightsSource
from artpipe.models.checkpoint import save_model
from artpipe.models.network import build_model
from artpipe.models.registry import UnknownModelError, name_candidate, saved_models
from artpipe.models.served import NoModelError, read_pointer
from artpipe.models.summary import model_summaries
from artpipe.serving.choice import Choice, choose_served, remove_old_models, restore_pointer

TINY = "test_efficientnet"
NOW = datetime(2026, 2, 3, tzinfo=UTC)


class Models:
    """Models a, b, c ... of a lake, and how often each is right."""

    def __init__(self, lake) -> None:
        self.lake = lake
        self.right: dict[str, float] = {}
        self.compared: list[tuple[str, str]] = []

    def train(self, right: float) -> str:
        """A new model, which becomes the candidate; one that is never right has nothing to predict."""
        number = len(self.right)
        torch.manual_seed(number)
        classes = {"type": ("portrait",)} if right else {}
        model, transform = build_model(TINY, {task: len(names) for task, names in classes.items()}, 32)
        card = ModelCard(
            classes, transform, TINY, model.embedding_dim, WeightsSource("none", None), "v", number, {},
            trained_at=f"2026-01-{number + 1:02d}T00:00:00+00:00", metrics={"validation_accuracy": {"type": right}},
        )  # fmt: skip
        model_id = save_model(self.lake, model.state_dict(), card)[0].model_id
        self.right[model_id] = right
        name_candidate(self.lake, model_id)
        return model_id

    def compare(self, challenger: ModelCard, served: ModelCard) -> Comparison:
        one, other = challenger.model_id, served.model_id
        self.compared.append((one, other))
        gain = self.right[one] - self.right[other]
        task = TaskComparison("type", 100, self.right[one], self.right[other])
        return Comparison(one, other, 100, 0, (task,), (gain - 0.1, gain + 0.1))

    def choose(self, tolerance: float = 0.01, **options: object) -> Choice:
        return choose_served(self.lake, self.compare, tolerance=tolerance, now=NOW, **options)


@pytest.fixture
def models(lake) -> Models:
    return Models(lake)


def test_the_first_model_is_served_without_a_comparison(models: Models):
    first = models.train(0.5)
    choice = models.choose()
    assert (choice.previous, choice.served, choice.decided_by) == (None, first, "first")
    assert choice.is_no_worse
    assert "the first model of this lake" in choice.reason
    assert models.compared == []
    assert read_pointer(models.lake).now.since == "2026-02-03T00:00:00+00:00"


def test_a_model_that_predicts_nothing_gives_way_to_the_first_trained_one_and_never_comes_back(models: Models):
    nothing = models.train(0)
    assert models.choose().served == nothing
    trained = models.train(0.1)
    choice = models.choose()
    assert (choice.previous, choice.served, choice.reason) == (
        nothing,
        trained,
        f"the model served until now, {nothing}, predicts nothing",
    )
    assert models.compared == []
    name_candidate(models.lake, nothing)
    assert models.choose().served == trained


def test_a_lost_pointer_serves_the_model_that_was_served_and_no_candidate_takes_over_unseen(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.4)
    assert models.choose().served == first, "it was declined"
    models.lake.served_model.unlink()
    restore_pointer(models.lake, None, 0.01, NOW)
    restore_pointer(models.lake, "gone", 0.01, NOW)
    assert read_pointer(models.lake).now is None
    restore_pointer(models.lake, first, 0.01, NOW)
    assert models.choose().served == first
    assert set(read_pointer(models.lake).declined) == {second}
    before = read_pointer(models.lake)
    restore_pointer(models.lake, second, 0.01, NOW)
    assert read_pointer(models.lake) == before


def test_a_candidate_that_is_no_worse_takes_over(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.495)
    choice = models.choose()
    assert (choice.previous, choice.served, choice.decided_by, choice.is_no_worse) == (first, second, "check", True)
    assert "within the tolerance" in choice.reason
    assert read_pointer(models.lake).previous == first
    assert json.loads((models.lake.model(second) / "comparison.json").read_text())["is_no_worse"] is True


def test_a_worse_candidate_is_declined_and_not_compared_again(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.4)
    choice = models.choose()
    assert (choice.served, choice.decided_by, choice.is_no_worse) == (first, None, False)
    assert choice.reason.startswith(f"worse than {first}")
    assert {model.model_id for model in saved_models(models.lake)} == {first, second}
    again = models.choose()
    assert (again.served, again.is_no_worse, again.reason) == (first, False, choice.reason)
    assert models.compared == [(second, first)]


def test_a_wider_tolerance_or_force_compares_again(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.45)
    models.choose()
    assert models.choose(force=True).served == first
    assert models.choose(tolerance=0.001).served == first
    assert len(models.compared) == 2
    assert models.choose(tolerance=0.06).served == second


def test_the_served_model_as_candidate_changes_nothing(models: Models):
    first = models.train(0.5)
    models.choose()
    before = models.lake.served_model.read_bytes()
    choice = models.choose()
    assert (choice.served, choice.decided_by, choice.is_no_worse) == (first, None, True)
    assert models.lake.served_model.read_bytes() == before


def test_a_person_s_choice_overrides_the_comparison_and_stays(models: Models):
    first = models.train(0.5)
    models.choose()
    worse = models.train(0.3)
    models.choose()
    choice = models.choose(promote=worse)
    assert (choice.served, choice.decided_by, choice.is_no_worse) == (worse, "person", False)
    assert choice.reason.startswith(f"a person chose it; worse than {first}")
    assert read_pointer(models.lake).declined == {}
    assert models.choose().served == worse


def test_a_model_that_a_person_replaced_is_not_served_again_automatically(models: Models):
    first = models.train(0.5)
    models.choose()
    better = models.train(0.9)
    assert models.choose().served == better
    assert models.choose(promote=first).served == first
    assert models.choose().served == first, "although the candidate is better"
    assert models.choose(tolerance=0.5).served == first
    assert f"a person chose {first} instead" in models.choose().reason
    assert models.choose(promote=better).served == better


def test_a_new_candidate_is_considered_after_a_rollback(models: Models):
    first = models.train(0.5)
    models.choose()
    models.train(0.6)
    models.choose()
    models.choose(promote=first)
    third = models.train(0.7)
    assert models.choose().served == third


def test_an_unknown_model_is_not_promoted_and_nothing_changes(models: Models):
    first = models.train(0.5)
    models.choose()
    with pytest.raises(UnknownModelError, match=first):
        models.choose(promote="zzzz")
    assert read_pointer(models.lake).model_id == first


def test_a_damaged_served_model_is_replaced_and_a_damaged_one_is_not_promoted(models: Models):
    first = models.train(0.9)
    models.choose()
    second = models.train(0.1)
    (models.lake.model(first) / "model.json").write_text("{")
    choice = models.choose()
    assert (choice.served, choice.decided_by) == (second, "check")
    assert f"{first}, is missing or damaged" in choice.reason
    third = models.train(0.9)
    (models.lake.model(third) / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptModelError, match=third):
        models.choose(promote=third)
    assert read_pointer(models.lake).model_id == second


def test_a_declined_candidate_takes_over_from_a_served_model_that_was_damaged_since(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.4)
    assert models.choose().served == first
    (models.lake.model(first) / "model.safetensors").unlink()
    assert models.choose().served == second
    assert read_pointer(models.lake).model_id == second


def test_without_a_trained_model_nothing_is_served(lake):
    with pytest.raises(NoModelError, match='materialize "classifier"'):
        choose_served(lake, Models(lake).compare, tolerance=0.01)


def test_old_models_are_removed_except_the_served_the_candidate_and_the_rollback_target(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.6)
    models.choose()
    worse = [models.train(0.1) for _ in range(3)]
    for _ in range(2):
        models.choose()
    assert remove_old_models(models.lake, 1) == [worse[1], worse[0]]
    assert [model.model_id for model in saved_models(models.lake)] == [worse[2], second, first]
    assert set(read_pointer(models.lake).declined) == {worse[2]}
    name_candidate(models.lake, second)
    assert remove_old_models(models.lake, 1) == []


def test_every_model_has_its_state_and_reason(models: Models):
    first = models.train(0.5)
    models.choose()
    second = models.train(0.6)
    models.choose()
    worse = models.train(0.2)
    models.choose()
    newest = models.train(0.3)
    summaries = {each.model_id: each for each in model_summaries(models.lake)}
    assert list(summaries) == [newest, worse, second, first]
    assert [summary.state for summary in summaries.values()] == ["candidate", "declined", "served", "served before"]
    assert [summary.is_candidate for summary in summaries.values()] == [True, False, False, False]
    assert "not compared yet" in summaries[newest].why
    assert summaries[worse].why.startswith(f"worse than {second}")
    assert (summaries[worse].test_at_1, summaries[worse].compared_with) == ({"type": 0.2}, second)
    assert "since 2026-02-03" in summaries[second].why
    assert summaries[first].test_at_1 is None
    assert summaries[first].validation_at_1 == {"type": 0.5}
