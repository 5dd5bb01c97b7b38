"""The real graph on a small gallery, a few drawn steps: what is called fresh comes out the same when made anew.

`REAL_LINEAGE_EXAMPLES=3 REAL_LINEAGE_STEPS=20` makes a long run, `--hypothesis-seed=7` another one.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from artpipe.definitions import build_definitions
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.runner import RefreshOptions
from artpipe.sample_gallery.server import serving
from artpipe_tests.orchestration.conftest import ChangingGallery, Upkeep
from artpipe_tests.orchestration.quiet_home import write_quiet_home
from artpipe_tests.orchestration.test_change_matrix import (
    a_label_corrected,
    a_title_corrected,
    one_image_replaced,
    one_painting_added,
    one_painting_withdrawn,
    two_works_joined,
)

EXAMPLES = int(os.environ.get("REAL_LINEAGE_EXAMPLES", "2"))
STEPS = int(os.environ.get("REAL_LINEAGE_STEPS", "4"))
IS_LONG = "REAL_LINEAGE_EXAMPLES" in os.environ

MADE_ANEW = "artworks, wanted_images, splits, embeddings, text_index, text_encoder, search_index, novelty_scale"
"""What takes seconds, and holds nothing but what it is made from; training is measured elsewhere."""


class RealMachine(RuleBasedStateMachine):
    """A copy of the built collection, its gallery, and somebody who keeps it."""

    built: Path
    folder: Path

    @initialize()
    def copy(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in ("site", "lake"):
            shutil.copytree(self.built / name, self.folder / name)
        self.server = serving(self.folder / "site")
        self.upkeep = Upkeep(self.folder / "lake", ChangingGallery(self.server.__enter__()))
        self.changed: dict[str, object] = {"revalidate_after_days": 0}
        self.cursor: str | None = None

    @rule(
        change=st.sampled_from(
            [
                a_title_corrected,
                a_label_corrected,
                two_works_joined,
                one_painting_added,
                one_painting_withdrawn,
                one_image_replaced,
            ]
        )
    )
    def change(self, change: Callable[[Upkeep], object]) -> None:
        change(self.upkeep)

    @rule(setting=st.sampled_from([("search_recall", 0.9), ("abstain_below", 0.7), ("loader_workers", 0)]))
    def change_setting(self, setting: tuple[str, object]) -> None:
        self.changed |= [setting]

    @rule()
    def lose_home(self) -> None:
        shutil.rmtree(self.upkeep.lake_root / "dagster")
        write_quiet_home(self.upkeep.lake_root)
        self.cursor = None

    @rule()
    def restore_lake(self) -> None:
        """The lake as it was built, and Dagster's home as it is now."""
        home = self.folder / "home"
        shutil.move(self.upkeep.lake_root / "dagster", home)
        shutil.rmtree(self.upkeep.lake_root)
        shutil.copytree(self.built / "lake", self.upkeep.lake_root, ignore=shutil.ignore_patterns("dagster"))
        shutil.move(home, self.upkeep.lake_root / "dagster")

    @rule(selection=st.sets(st.sampled_from(["raw_catalog", "artworks", "splits", "vectors"]), min_size=1))
    def materialize(self, selection: set[str]) -> None:
        self.run(selection)

    @rule()
    def automation(self) -> None:
        """The daemon ticks, and runs what is requested, until nothing is; no tick requests what the one before did."""
        settings, waves = self.upkeep.settings(**self.changed), list[set[str]]()
        definitions = build_definitions(settings)
        sensor = definitions.resolve_sensor_def("follow_changes")
        while True:
            with (
                open_instance(settings) as instance,
                dg.build_sensor_context(instance, cursor=self.cursor, definitions=definitions) as context,
            ):
                result = sensor.evaluate_tick(context)
            self.cursor = result.cursor
            wave = {key.to_user_string() for one in result.run_requests or () for key in one.asset_selection or ()}
            if not wave:
                break
            assert all(wave.isdisjoint(earlier) for earlier in waves), waves
            waves.append(wave)
            self.run(wave)

    @rule()
    def refresh(self) -> None:
        self.upkeep.refresh(**self.changed)
        assert self.upkeep.needing_a_run(**self.settled) == set()

    @property
    def settled(self) -> dict[str, object]:
        """The settings with which no image has to be asked for at once."""
        return {name: value for name, value in self.changed.items() if name != "revalidate_after_days"}

    def run(self, selection: set[str]) -> None:
        settings = self.upkeep.settings(**self.changed)
        job = build_definitions(settings).resolve_implicit_global_asset_job_def()
        with open_instance(settings) as instance:
            keys = [dg.AssetKey(name) for name in sorted(selection)]
            job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)

    def teardown(self) -> None:
        """A refresh makes everything fresh, and what is made anew after it comes out as it is."""
        if not hasattr(self, "upkeep"):
            return
        try:
            self.refresh()
            before = versions(self.upkeep)
            self.upkeep.refresh(RefreshOptions(select=MADE_ANEW, force=True), **self.settled)
            assert versions(self.upkeep) == before
        finally:
            self.server.__exit__(None, None, None)


def versions(upkeep: Upkeep) -> dict[str, str]:
    return Lineage(upkeep.lake).versions([path.stem for path in upkeep.lake.lineage("any").parent.iterdir()])


def test_what_is_called_fresh_comes_out_the_same_when_it_is_made_anew(built: Path, tmp_path: Path):
    class Machine(RealMachine):
        pass

    Machine.built, Machine.folder = built, tmp_path / "copy"
    run_state_machine_as_test(
        Machine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not IS_LONG,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
