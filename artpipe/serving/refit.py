"""The refit: the chosen model's recipe, fitted on every work.

The chosen model was fitted on the works of `train`, so that the others measure it. Once that is done they are worth
more as training works: its refit has the same recipe, seed, training set and number of epochs, learns from all works,
and embeds and predicts in its place. No figure is measured of a refit, since it knows every work.
"""

from typing import TYPE_CHECKING

from artpipe.models.card import CorruptModelError, ModelCard
from artpipe.models.checkpoint import LoadedModel, load_model
from artpipe.models.labels import Labels
from artpipe.models.registry import saved_models
from artpipe.models.served import Refit, measured_card, write_refit
from artpipe.training.config import TrainingConfig
from artpipe.training.loop import train_classifier
from artpipe.training.reuse import is_trained_with

if TYPE_CHECKING:
    import polars as pl

    from artpipe.images.pixels import JpegSource
    from artpipe.lake.paths import DataLake
    from artpipe.progress import Progress
    from artpipe.tasks import Tasks
    from artpipe.training.features import BackboneFeatures


def refit_chosen(
    lake: "DataLake",
    rows: "pl.DataFrame",
    tasks: "Tasks",
    version: str,
    features: "BackboneFeatures | None",
    images: "JpegSource",
    config: TrainingConfig,
    progress: "Progress | None" = None,
    *,
    artworks: "pl.DataFrame | None" = None,
    is_wanted: bool = True,
    force: bool = False,
) -> tuple[Refit, bool]:
    """Fit the chosen model's recipe on every work, or find the refit that was saved, and write the pointer to it.

    Args:
        lake: where the models are.
        rows: rows of the training set whose images are stored.
        tasks: that the training set was frozen with.
        version: of the whole training set, see `training_set_version`.
        features: table `backbone_features`.
        images: the stored JPEGs.
        config: of the present settings.
        progress: advances with each picture trained on.
        artworks: table `artworks`, whose rights are noted on the card.
        is_wanted: whether a refit is to be served; the chosen model is where not.
        force: refit again where that is possible, and models of earlier releases too.

    Returns:
        What is served, and whether a model was trained for it.

    Raises:
        NoModelError: nothing was trained yet.
        DivergedError: the loss became NaN or infinite.
    """
    chosen = measured_card(lake)
    saved = _saved_refit(lake, chosen.model_id) if is_wanted else None
    is_of_these = chosen.training_set_version == version and is_trained_with(chosen, config, Labels.of(rows, tasks))
    known = None if force and is_of_these else saved  # one that cannot be made again is kept
    why_not = "" if known else _why_not(chosen, is_of_these=is_of_these, is_wanted=is_wanted, force=force)
    start: LoadedModel | None = None
    if not (known or why_not) and (started_from := chosen.weights_source.model_id):
        try:
            start = load_model(lake.model(started_from))
        except CorruptModelError:
            known = saved
            why_not = "" if known else f"the model that it started from, {started_from}, is gone"
    if why_not:
        refit = Refit(chosen.model_id, chosen.model_id, f"not fitted again on every work, since {why_not}")
    else:
        card = (
            known
            or train_classifier(
                rows,
                images,
                lake,
                tasks,
                config,
                progress,
                version=version,
                start=start,
                features=features,
                artworks=artworks,
                refit_of=chosen,
            ).card
        )
        learned, more = card.rows["train"], card.rows["train"] - chosen.rows["train"]
        reason = f"the recipe of {chosen.model_id}, fitted on all {learned:,} pictures, {more:,} more"
        refit = Refit(chosen.model_id, card.model_id, reason)
    write_refit(lake, refit)
    return refit, not (known or why_not)


def _saved_refit(lake: "DataLake", chosen: str) -> ModelCard | None:
    """The newest undamaged refit of a model; None without one."""
    for card in saved_models(lake):
        if card.refit_of == chosen:
            try:
                return load_model(lake.model(card.model_id)).card
            except CorruptModelError:
                continue
    return None


def _why_not(chosen: ModelCard, *, is_of_these: bool, is_wanted: bool, force: bool) -> str:
    """Why the chosen model itself is served; empty where it can be fitted again."""
    if not is_wanted:
        return "ARTPIPE_REFIT is off"
    if not chosen.is_trained:
        return "it predicts nothing"
    if "test" not in chosen.rows and not force:  # so that an upgrade embeds nothing anew
        return "an earlier release trained it; the next model that is trained will be"
    if not is_of_these:
        return "the training set or the settings changed since it was trained"
    return "" if any(rows for split, rows in chosen.rows.items() if split != "train") else "no work was held out"
