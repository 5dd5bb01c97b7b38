"""Which model is chosen by its figures, and its refit, which embeds and predicts."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import read_table, read_table_if_exists
from artpipe.lake.paths import DamagedLakeError, DataLake
from artpipe.orchestration.asset import AssetStep, Result, RunConfig, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.storage import written_by_body
from artpipe.tasks import Tasks
from artpipe.training.assets import TRAINED_BY

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.evaluation.comparison import Comparison
    from artpipe.models.card import ModelCard
    from artpipe.serving.choice import Choice
    from artpipe.training.features import BackboneFeatures

NO_WORSE = "candidate_is_no_worse"


class ServedModelConfig(RunConfig):
    """Run config of `served_model`: `promote` serves this model whatever the comparison shows.

    `force` compares a declined candidate again.
    """

    promote: str | None = None

    @property
    def must_run(self) -> bool:
        """Whether the run config requests a comparison or a model."""
        return self.force or self.promote is not None


def last_decision(lake: DataLake) -> Sequence[dg.AssetCheckResult]:
    """The check as it came out when the candidate was last decided on."""
    from artpipe.models.registry import candidate_id
    from artpipe.models.served import read_pointer

    pointer, candidate = read_pointer(lake), candidate_id(lake) or "the candidate"
    declined = pointer.declined.get(candidate)
    reason = declined.reason if declined else "nothing changed since it was decided on"
    return [_no_worse(candidate, reason, {"served_now": pointer.model_id or "none"}, passed=declined is None)]


def _served_files(lake: DataLake) -> "list[UPath]":
    from artpipe.models.registry import model_files
    from artpipe.models.served import measured_model_id

    try:
        return model_files(lake, measured_model_id(lake))
    except DamagedLakeError:
        return []


@pipeline_asset(
    kinds={"pytorch"},
    code_version="1",
    shaped_by=("model_tolerance", "seed"),
    stored=replace(written_by_body(lambda lake: lake.served_model), needed_files=_served_files),
    deps=["classifier"],
    checks_of_reused=last_decision,
    check_specs=[
        dg.AssetCheckSpec(
            NO_WORSE,
            asset="served_model",
            description="The new model's mean accuracy on test works that neither model learned from is no lower than "
            "the served one's, but for the tolerance. Where it is, the served model stays.",
        )
    ],
)
def served_model(step: AssetStep, config: ServedModelConfig) -> Result:
    """The chosen model, by its figures: the candidate, if it is no worse on the same test works.

    `classifier` names the candidate. A person's choice overrides every comparison. Its refit embeds and predicts.
    """
    from artpipe.evaluation.comparison import compare_on_test_works
    from artpipe.images.store import ImageStore
    from artpipe.serving.choice import choose_served, remove_old_models, restore_pointer

    lake, settings, seed = step.lake, step.settings, step.settings.seed
    restore_pointer(lake, step.held_version, settings.model_tolerance)

    def compare(challenger: "ModelCard", served: "ModelCard") -> "Comparison":
        store = ImageStore(lake)
        rows = store.stored_rows(read_table(lake, "training_set"))
        return compare_on_test_works(
            lake, challenger, served, rows, store, settings.device, seed, step.progress, step.engine
        )

    choice = choose_served(
        lake, compare, tolerance=settings.model_tolerance, promote=config.promote, force=config.force
    )
    removed = remove_old_models(lake, settings.keep_models)
    step.log(f"{choice.served} is served; {choice.challenger}: {choice.reason}")
    return Result(
        version=choice.served,
        metadata={**_choice_metadata(choice), "models_removed": dg.MetadataValue.json(removed)},
        check_results=[
            _no_worse(choice.challenger, choice.reason, _choice_metadata(choice), passed=choice.is_no_worse)
        ],
    )


def _refit_files(lake: DataLake) -> "list[UPath]":
    from artpipe.models.registry import model_files
    from artpipe.models.served import read_refit

    try:
        refit = read_refit(lake)
    except DamagedLakeError:
        return []
    return [] if refit is None or refit.model_id == refit.refit_of else model_files(lake, refit.model_id)


@pipeline_asset(
    kinds={"pytorch"},
    code_version="1",
    shaped_by=("refit", *TRAINED_BY),
    stored=written_by_body(lambda lake: lake.refitted_model).with_files(_refit_files),
    deps=["served_model", "backbone_weights"],
)
def refitted_model(
    step: AssetStep, training_set: DataFrame, tasks: Tasks, backbone_features: "BackboneFeatures"
) -> Result:
    """The model that embeds and predicts: the chosen model's recipe, fitted on every work, held-out works included.

    Every figure is of the chosen model, which did not see the works that measure it. A killed refit resumes after its
    last epoch, and one that is saved is used again. `ARTPIPE_REFIT=false` serves the chosen model itself.
    """
    from artpipe.images.store import ImageStore
    from artpipe.models.card import load_card
    from artpipe.serving.refit import refit_chosen
    from artpipe.training.config import TrainingConfig
    from artpipe.training.loop import training_set_version

    lake, settings, store = step.lake, step.settings, ImageStore(step.lake)
    refit, is_new = refit_chosen(
        lake,
        store.stored_rows(training_set),
        tasks,
        training_set_version(training_set),
        backbone_features,
        store,
        TrainingConfig.from_settings(settings),
        step.progress,
        artworks=read_table_if_exists(lake, "artworks"),
        is_wanted=settings.refit,
        force=step.config.force,
    )
    card = load_card(lake.model(refit.model_id))
    step.log(f"{refit.model_id} embeds and predicts: {refit.reason}")
    return Result(
        version=refit.model_id,
        metadata={
            "model_id": refit.model_id,
            "figures_are_of": refit.refit_of,
            "trained": is_new,
            "training_pictures": card.rows.get("train", 0),
            "epochs": len(card.history),
            "seed": card.seed,
            "training_set_version": card.training_set_version,
            "reason": refit.reason,
        },
    )


def _no_worse(model_id: str, reason: str, metadata: dict[str, Any], *, passed: bool) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        check_name=NO_WORSE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{model_id}: {reason}",
        metadata=metadata,
    )


def _choice_metadata(choice: "Choice") -> dict[str, Any]:
    found: dict[str, Any] = {
        "candidate": choice.challenger,
        "served_before": choice.previous or "none",
        "served_now": choice.served,
        "reason": choice.reason,
    }
    if choice.comparison is None:
        return found
    rows = [
        f"| {task.task} | {task.n:,} | {task.candidate:.1%} | {task.served:.1%} |" for task in choice.comparison.tasks
    ]
    table = "\n".join(["| task | n | candidate @1 | served @1 |", "|---|--:|--:|--:|", *rows])
    return found | {
        "scores": dg.MetadataValue.md(table),
        "comparison": dg.MetadataValue.json(choice.comparison.to_dict()),
        "images_embedded": choice.comparison.images_embedded,
    }
