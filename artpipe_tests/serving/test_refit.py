"""The refit of the chosen model: what it learns from, what it shares with that model, and when there is none."""

from dataclasses import replace

import polars as pl
import pytest

from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import load_model
from artpipe.models.labels import Labels
from artpipe.models.learned import load_learned
from artpipe.models.registry import name_candidate, remove_model, saved_models
from artpipe.models.served import (
    Pointer,
    Refit,
    Serving,
    measured_card,
    read_refit,
    served_card,
    served_model_id,
    write_pointer,
)
from artpipe.models.summary import model_summaries
from artpipe.serving.choice import choose_served, remove_old_models
from artpipe.serving.refit import refit_chosen
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.history import Epoch
from artpipe.training.loop import train_classifier, training_set_version
from artpipe.training.reuse import find_trained_model
from artpipe.training.warm_start import model_to_start_from
from artpipe_tests.fixtures.drawn_pictures import Drawn, draw_gallery

QUICK = TrainingConfig(
    backbone="test_efficientnet", weights="none", image_px=32, epochs=3, batch_size=16, device="cpu", loader_workers=0
)


class Killed(BaseException):
    """Stands for the end of the process."""


def gallery() -> tuple[pl.DataFrame, Drawn]:
    """Twelve works of 48 for validation, twelve for the test; one type is known of test works alone."""
    rows, store = draw_gallery(48)
    number = pl.int_range(pl.len())
    is_test = (number >= 36).alias("test")
    return rows.with_columns(
        split=pl.when(is_test).then(pl.lit("test")).otherwise("split"),
        type=pl.when(is_test & (number % 3 == 2)).then(pl.lit("study")).otherwise("type"),
    ), store


class Trained:
    """A lake with a chosen model, and what it was trained with."""

    def __init__(self, lake: DataLake, config: TrainingConfig = QUICK) -> None:
        self.lake, self.config = lake, config
        self.rows, self.store = gallery()
        self.chosen = self.train(config)

    def train(self, config: TrainingConfig) -> ModelCard:
        """Train a model, and choose it."""
        card = train_classifier(self.rows, self.store, self.lake, WGA_TASKS, config).card
        write_pointer(self.lake, Pointer(Serving(card.model_id)))
        return card

    def refit(self, **options: bool) -> tuple[Refit, bool]:
        version = training_set_version(self.rows)
        return refit_chosen(self.lake, self.rows, WGA_TASKS, version, None, self.store, self.config, **options)


@pytest.fixture
def trained(lake: DataLake) -> Trained:
    return Trained(lake)


def test_the_refit_learns_from_every_work_and_the_figures_stay_those_of_the_chosen_model(trained: Trained):
    refit, is_new = trained.refit()
    assert is_new
    assert served_model_id(trained.lake) == refit.model_id != trained.chosen.model_id == refit.refit_of
    assert measured_card(trained.lake) == trained.chosen
    card = served_card(trained.lake)
    learned = load_learned(trained.lake.model(card.model_id))
    assert learned is not None
    assert learned["artwork_id"].sort().to_list() == trained.rows["artwork_id"].sort().to_list()
    assert "study" in card.classes["type"]
    assert "study" not in trained.chosen.classes["type"]
    assert (card.refit_of, card.rows["train"]) == (trained.chosen.model_id, 48)
    assert not card.metrics["validation_accuracy"], "it knows every work"


def test_both_share_recipe_seed_training_set_epochs_and_temperatures(trained: Trained):
    trained.refit()
    card = served_card(trained.lake)
    for shared in ("config", "seed", "training_set_version", "temperatures", "transform", "best_epoch"):
        assert getattr(card, shared) == getattr(trained.chosen, shared), shared
    assert len(card.history) == trained.chosen.best_epoch


def test_it_trains_as_many_epochs_as_the_best_of_the_chosen_model(trained: Trained):
    for best in (1, 2):
        card = train_classifier(
            trained.rows,
            trained.store,
            trained.lake,
            WGA_TASKS,
            QUICK,
            refit_of=replace(trained.chosen, best_epoch=best),
        ).card
        assert (len(card.history), card.best_epoch) == (best, best)
        assert card.ended == f"all {best} epochs of a refit"


def test_the_same_seed_gives_the_same_weights(trained: Trained):
    assert trained.refit()[0] == trained.refit(force=True)[0]


def test_a_killed_refit_resumes_and_ends_at_the_same_weights(trained: Trained):
    chosen = replace(trained.chosen, best_epoch=3)

    def fit(on_epoch):
        return train_classifier(
            trained.rows, trained.store, trained.lake, WGA_TASKS, QUICK, on_epoch=on_epoch, refit_of=chosen
        )

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(kill)
    resumed, whole = fit(None), fit(None)
    assert (resumed.resumed_after_epoch, whole.resumed_after_epoch) == (2, 0)
    assert resumed.card.model_id == whole.card.model_id


def test_a_saved_refit_is_used_again_and_one_that_is_damaged_is_made_anew(trained: Trained):
    refit, _ = trained.refit()
    assert trained.refit() == (refit, False)
    (trained.lake.model(refit.model_id) / "model.safetensors").write_bytes(b"torn")
    assert trained.refit() == (refit, True)
    assert load_model(trained.lake.model(refit.model_id)).card.refit_of == trained.chosen.model_id


def test_turned_off_the_chosen_model_is_served_and_says_why(trained: Trained):
    trained.refit()
    refit, is_new = trained.refit(is_wanted=False)
    assert (served_model_id(trained.lake), is_new) == (trained.chosen.model_id, False)
    assert "ARTPIPE_REFIT is off" in refit.reason
    assert next(each for each in model_summaries(trained.lake) if each.state == "served").why.endswith(refit.reason)


def test_a_chosen_model_of_other_settings_or_another_training_set_is_served_itself(trained: Trained):
    trained.config = replace(QUICK, seed=1)
    assert "changed since it was trained" in trained.refit()[0].reason
    trained.config, trained.rows = QUICK, trained.rows.head(40)
    assert "changed since it was trained" in trained.refit()[0].reason
    assert served_model_id(trained.lake) == trained.chosen.model_id


@pytest.mark.parametrize("force", [False, True])
def test_a_chosen_model_keeps_its_refit_when_settings_change_and_the_candidate_is_declined(
    trained: Trained, *, force: bool
):
    refit, _ = trained.refit()
    trained.config = replace(QUICK, seed=1)
    assert trained.refit(force=force) == (refit, False)


def test_a_model_of_an_earlier_release_is_refitted_on_demand_alone(trained: Trained):
    card_file = trained.lake.model(trained.chosen.model_id) / "model.json"
    rows = {split: trained.chosen.rows[split] for split in ("train", "validation")}
    card_file.write_text(replace(trained.chosen, rows=rows).to_json())
    refit, is_new = trained.refit()
    assert (refit.model_id, is_new) == (trained.chosen.model_id, False)
    assert "an earlier release trained it" in refit.reason
    assert trained.refit(force=True)[1]


def test_where_nothing_was_held_out_there_is_nothing_to_add(lake: DataLake):
    trained = Trained.__new__(Trained)
    trained.lake, trained.config = lake, QUICK
    rows, trained.store = gallery()
    trained.rows = rows.with_columns(split=pl.lit("train"))
    trained.chosen = trained.train(QUICK)
    assert "no work was held out" in trained.refit()[0].reason


def test_the_pointer_to_a_refit_ends_with_the_choice_of_another_model(trained: Trained):
    trained.refit()
    other = trained.train(replace(QUICK, seed=1))
    assert read_refit(trained.lake) is None
    assert served_model_id(trained.lake) == other.model_id


def test_a_refit_is_neither_a_candidate_nor_a_start_of_training(trained: Trained):
    trained.refit()
    found = find_trained_model(
        trained.lake, trained.chosen.training_set_version, QUICK, Labels.of(trained.rows, WGA_TASKS)
    )
    assert found is not None
    assert found.model_id == trained.chosen.model_id
    start = model_to_start_from(trained.lake)
    assert start is not None
    assert start.card.model_id == trained.chosen.model_id


def test_a_warm_start_is_refitted_from_where_it_started(trained: Trained):
    trained.refit()
    trained.config = replace(QUICK, warm_start=True)
    start = model_to_start_from(trained.lake)
    card = train_classifier(trained.rows, trained.store, trained.lake, WGA_TASKS, trained.config, start=start).card
    write_pointer(trained.lake, Pointer(Serving(card.model_id)))
    refit, _ = trained.refit()
    assert served_card(trained.lake).weights_source.model_id == trained.chosen.model_id
    remove_model(trained.lake, trained.chosen.model_id)
    assert trained.refit(force=True) == (refit, False), "it cannot be made again"
    remove_model(trained.lake, refit.model_id)
    assert "is gone" in trained.refit(force=True)[0].reason


class Compared(BaseException):
    """Ends a choice at its comparison."""


def compare(challenger: ModelCard, served: ModelCard):
    raise Compared(challenger.model_id, served.model_id)


def test_the_choice_is_made_between_models_that_did_not_see_the_test_works(trained: Trained):
    trained.refit()
    candidate = train_classifier(trained.rows, trained.store, trained.lake, WGA_TASKS, replace(QUICK, seed=1)).card
    name_candidate(trained.lake, candidate.model_id)
    with pytest.raises(Compared) as found:
        choose_served(trained.lake, compare, tolerance=0.0)
    assert found.value.args == (candidate.model_id, trained.chosen.model_id)


def test_who_promotes_a_refit_chooses_the_model_that_it_is_of(trained: Trained):
    refit, _ = trained.refit()
    other = trained.train(replace(QUICK, seed=1))
    with pytest.raises(Compared) as found:
        choose_served(trained.lake, compare, tolerance=0.0, promote=refit.model_id)
    assert found.value.args == (trained.chosen.model_id, other.model_id)


def test_a_refit_is_kept_and_removed_with_the_model_that_it_is_of(trained: Trained):
    first, _ = trained.refit()
    trained.config = replace(QUICK, seed=1)
    other = trained.train(trained.config)
    second, _ = trained.refit()
    assert remove_old_models(trained.lake, 2) == []
    assert set(remove_old_models(trained.lake, 1)) == {trained.chosen.model_id, first.model_id}
    assert {card.model_id for card in saved_models(trained.lake)} == {other.model_id, second.model_id}


def test_models_are_listed_with_what_they_share_and_whose_figures_they_have(trained: Trained):
    refit, _ = trained.refit()
    of_refit, of_chosen = (
        next(each for each in model_summaries(trained.lake) if each.model_id == name)
        for name in (refit.model_id, trained.chosen.model_id)
    )
    assert (of_refit.state, of_chosen.state) == ("served", "measured")
    assert of_refit.refit_of == trained.chosen.model_id
    assert of_refit.validation_at_1 == of_chosen.validation_at_1
    assert f"its figures are those of {trained.chosen.model_id}" in of_refit.why
    assert (of_refit.training_rows, of_chosen.training_rows) == (48, trained.chosen.rows["train"])
    assert (of_refit.seed, of_refit.training_set_version) == (of_chosen.seed, of_chosen.training_set_version)
