"""Whatever is changed, killed, restored or run, by whichever route: what is called fresh is what a fresh lake holds.

Hypothesis draws the steps. `LINEAGE_EXAMPLES=100 LINEAGE_STEPS=30` makes a long run, `--hypothesis-seed=7` another one.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from artpipe.lake.parquet import MissingTableError
from artpipe.orchestration.blocking_checks import BlockingCheckError
from artpipe.orchestration.declaration import DECLARED
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.next_assets import ancestors
from artpipe_tests.orchestration.modelled_graph import (
    ASSETS,
    BLOCKING,
    CHECKS,
    FILES,
    ROOTS,
    SEAMS,
    UPSTREAM,
    Home,
    World,
    digest,
    drift,
)

EXAMPLES = int(os.environ.get("LINEAGE_EXAMPLES", "6"))
STEPS = int(os.environ.get("LINEAGE_STEPS", "12"))
IS_LONG = "LINEAGE_EXAMPLES" in os.environ

WORKS = ("w0", "w1", "w2", "w8", "w9")
SHAPING = {
    "max_artworks": (None, 3, 2),
    "image_short_side_px": (320, 96),
    "split_salt": ("artpipe", "other"),
    "retrain_drift": (0.3, 0.0),
    "learning_rate": (None, 0.5),
    "search_recall": (0.9, 0.5),
}
NOT_SHAPING = {"loader_workers": (None, 1), "keep_models": (5, 9), "stale_alert_hours": (1.0, 2.0)}

Change = tuple[str, ...]


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def setting(among: dict[str, tuple[Any, ...]]) -> st.SearchStrategy[tuple[str, str, Any]]:
    return st.sampled_from([("setting", name, value) for name, values in among.items() for value in values])


CHANGES = st.one_of(
    st.tuples(one_of("label"), one_of("", "w0=genre", "w0=genre w1=portrait", "w1=portrait")),
    st.tuples(one_of("pair"), one_of("", "w0=w1", "w2=w1")),
    st.tuples(one_of("weights"), one_of(None, "imagenet", "better")),
    setting(SHAPING),
    st.tuples(one_of("title"), one_of(*WORKS), one_of("Night", "Day")),
    st.tuples(one_of("artist"), one_of(*WORKS), one_of("a", "b", "unknown")),
    st.tuples(one_of("style"), one_of("a", "b"), one_of("baroque", "rococo", None)),
    st.tuples(one_of("work"), one_of(*WORKS), one_of(True, False)),
    st.tuples(one_of("image"), one_of(*WORKS), one_of("new", "other", None)),
    st.tuples(one_of("code"), one_of(*ASSETS), one_of(0, 1, 2)),
)
MISHAPS = st.one_of(
    st.tuples(one_of("check"), one_of(*CHECKS.values())),
    st.tuples(one_of("broken"), one_of(*ASSETS)),
    st.tuples(one_of("file gone"), one_of(*ASSETS)),
)
HARMLESS = st.one_of(setting(NOT_SHAPING), st.just(("nothing",)))


class LineageMachine(RuleBasedStateMachine):
    """A world, two Dagster homes over one lake, and all that may befall them."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="lineage-"))
        self.closing.callback(shutil.rmtree, folder)
        (folder / "lake").mkdir()
        self.world = World(folder)
        self.homes: dict[int, Home] = {}
        self.home = self.home_of(0)

    def home_of(self, number: int) -> Home:
        if number not in self.homes:
            self.homes[number] = Home(self.closing.enter_context(dg.DagsterInstance.ephemeral()), self.world)
        return self.homes[number]

    def teardown(self) -> None:
        try:
            self.heal_and_refresh()
        finally:
            self.closing.close()

    def something_else_happened(self) -> None:
        for home in self.homes.values():
            home.requested.clear()

    @initialize(route=one_of("refresh", "daemon", "nothing"))
    def build(self, route: str) -> None:
        if route == "refresh":
            self.refresh(0, None, force=False, asks_again=False)
        elif route == "daemon":
            assert self.home.settle() == [set(ASSETS)]

    # What people and the source change.

    @rule(changes=st.lists(CHANGES, min_size=1, max_size=3), number=one_of(0, 0, 0, 1))
    def change(self, changes: list[Change], number: int) -> None:
        for kind, *arguments in changes:
            CHANGE[kind](self.world, self.home_of(number), *arguments)
        self.something_else_happened()

    @rule(mishap=MISHAPS)
    def mishap(self, mishap: Change) -> None:
        kind, *arguments = mishap
        CHANGE[kind](self.world, self.home, *arguments)
        if kind == "file gone":
            self.something_else_happened()

    @rule(change=HARMLESS)
    def change_nothing_that_counts(self, change: Change) -> None:
        """No asset is requested again for it, and none becomes stale: the invariants see to that."""
        before = {name: status.status for name, status in self.home.statuses().items()}
        kind, *arguments = change
        CHANGE[kind](self.world, self.home, *arguments)
        assert {name: status.status for name, status in self.home.statuses().items()} == before

    @precondition(lambda self: self.world.failing or self.world.broken)
    @rule()
    def mend(self) -> None:
        self.world.failing.clear()
        self.world.broken.clear()

    @rule()
    def copy_lake(self) -> None:
        self.world.copy_lake()

    @precondition(lambda self: (self.world.folder / "copy").exists())
    @rule()
    def restore_lake(self) -> None:
        self.world.restore_lake()
        self.something_else_happened()

    @rule(number=one_of(0, 1))
    def lose_home(self, number: int) -> None:
        self.homes.pop(number, None)
        self.use(number)

    @rule(number=one_of(0, 1))
    def restart(self, number: int) -> None:
        self.home_of(number).restart()

    # The routes by which assets are made.

    @rule(
        number=one_of(0, 0, 1),
        select=one_of(None, None, None, "groups", "+groups", "vectors", "pictures+", "model, index"),
        force=one_of(False, False, False, True),
        asks_again=one_of(False, True),
    )
    def refresh(self, number: int, select: str | None, *, force: bool, asks_again: bool) -> None:
        self.use(number)
        changed = {"revalidate_after_days": 0} if asks_again else {}
        failing, broken = set(self.world.failing) - {CHECKS["index"]}, set(self.world.broken)
        try:
            report = self.home.refresh(select, force=force, **changed)
        except BlockingCheckError:
            if failing or select:  # a check that a selection leaves out may have failed before
                return
            raise
        except MissingTableError:
            if select:  # a selection may leave out what was never made
                return
            raise
        except RuntimeError:
            if broken:
                return
            raise
        assert len(report.ran) == len(set(report.ran)), "nothing runs twice in one refresh"
        if select is None:
            assert_source_is_held(self.world)
            assert {name: status.reasons for name, status in self.home.statuses().items() if status.needs_run} == {}

    @rule(
        number=one_of(0, 0, 1),
        selection=st.sets(one_of(*ASSETS), min_size=1, max_size=4),
        checks=one_of(True, True, False),
    )
    def materialize(self, number: int, selection: set[str], *, checks: bool) -> None:
        """As `dagster asset materialize` and the UI do."""
        self.use(number)
        if self.home.run(*selection, checks=checks):
            statuses = self.home.statuses()
            # Where this home does not know what is above, Dagster cannot tell what it was made from.
            known = {
                name for name in selection if all(statuses[one].status == "fresh" for one in statuses[name].upstream)
            }
            assert {name: statuses[name].reasons for name in known if statuses[name].status != "fresh"} == {}

    @rule(number=one_of(0, 0, 1))
    def automation(self, number: int) -> None:
        """The daemon of a home ticks, and runs what is requested, until nothing is."""
        self.home = self.home_of(number)
        if self.home.settle():
            for other in self.homes.values():
                if other is not self.home:
                    other.requested.clear()

    @rule(number=one_of(0, 0, 1))
    def rescrape(self, number: int) -> None:
        """The schedule asks the source, and the automation follows: nothing may hold that for ever."""
        self.use(number)
        asked = self.home.rescrape()
        self.home.settle()
        if asked and not self.world.broken and self.home.is_current:
            statuses = self.home.statuses()
            failed = {
                name
                for name, status in statuses.items()
                if status.failed_checks and (name != "pictures" or BLOCKING[name] in self.world.failing)
            }
            left = {
                name: (status.reasons, status.unmet_checks)
                for name, status in statuses.items()
                if status.needs_run and failed.isdisjoint({name} | ancestors(statuses, name))
            }
            assert left == {}

    @rule(
        number=one_of(0, 0, 1),
        seam=one_of(*SEAMS),
        asset=one_of(*ASSETS),
        route=one_of("refresh", "force", "materialize", "automation"),
    )
    def kill(self, number: int, seam: str, asset: str, route: str) -> None:
        self.use(number)
        home = self.home
        routes: dict[str, Callable[[], object]] = {
            "refresh": home.refresh,
            "force": lambda: home.refresh(force=True),
            "materialize": lambda: home.run(asset),
            "automation": home.settle,
        }
        try:
            home.kill(seam, asset, routes[route])
        except BlockingCheckError:
            if not self.world.failing:
                raise
        except RuntimeError:
            if not self.world.broken:
                raise
        self.something_else_happened()

    def use(self, number: int) -> None:
        self.home = self.home_of(number)
        self.something_else_happened()

    # What holds after every step.

    @invariant()
    def what_is_fresh_is_what_a_fresh_lake_holds(self) -> None:
        assert_fresh_is_true(self.world, self.home)

    def heal_and_refresh(self) -> None:
        """In the end a refresh of either home makes everything fresh."""
        self.mend()
        for home in self.homes.values():
            home.refresh(revalidate_after_days=0)
            assert_source_is_held(self.world)
            assert {name: status.reasons for name, status in home.statuses().items() if status.needs_run} == {}
            assert_fresh_is_true(self.world, home)
            assert home.settle() == [] or not home.is_current


def assert_fresh_is_true(world: World, home: Home) -> None:
    """What `artpipe status` calls fresh is in the lake and in Dagster's log, and is what its inputs give now."""
    lineage, recorded = Lineage(world.lake), home.versions_recorded()
    for name, status in home.statuses().items():
        if status.status != "fresh":
            assert status.reasons, name
            continue
        held, record = world.held(name), lineage.read(name)
        assert held is not None, name
        assert record is not None, name
        assert digest(held) == record.data_version == recorded.get(name) == status.data_version, name
        if any(world.held(above) is None for above in UPSTREAM[name] if above not in FILES):
            continue  # its file is gone, and its record says that it would come out as it was
        if name == "frozen" and drift(held, world.held("groups") or {}) <= home.settings.retrain_drift:
            continue
        assert held == world.expected(name, home.settings), name


def assert_source_is_held(world: World) -> None:
    held = {name: {key: value for key, value in (world.held(name) or {}).items() if key != "code"} for name in ROOTS}
    assert held == {"catalog": world.titles, "artists": world.styles}


def _put(into: dict[str, Any], key: str, value: object) -> None:
    into.pop(key, None)
    if value is not None:
        into[key] = value


def _title(world: World, _: Home, work: str, title: str) -> None:
    if work in world.titles:
        world.titles[work][0] = title


def _artist(world: World, _: Home, work: str, artist: str) -> None:
    if work in world.titles:
        world.titles[work][1] = artist


def _toggle(names: set[str], name: str) -> None:
    names.symmetric_difference_update({name})


CHANGE: dict[str, Callable[..., None]] = {
    "label": lambda world, _, text: world.edit("labels", text),
    "pair": lambda world, _, text: world.edit("pairs", text),
    "weights": lambda world, _, text: world.edit("weights", text),
    "setting": lambda _, home, name, value: _put(home.changed, name, value),
    "title": _title,
    "artist": _artist,
    "style": lambda world, _, artist, style: _put(world.styles, artist, style),
    "work": lambda world, _, work, is_there: _put(world.titles, work, ["Acquired", "a"] if is_there else None),
    "image": lambda world, _, work, image: _put(world.images, work, image),
    "code": lambda world, _, asset, version: _put(world.code, asset, version),
    "check": lambda world, _, name: _toggle(world.failing, name),
    "broken": lambda world, _, name: _toggle(world.broken, name),
    "file gone": lambda world, _, name: world.lake.raw(name).unlink(missing_ok=True),
    "nothing": lambda *_: None,
}


def test_what_is_called_fresh_is_what_a_fresh_lake_holds_whatever_happens():
    DECLARED.clear()  # of what other tests imported
    run_state_machine_as_test(
        LineageMachine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not IS_LONG,
            database=None,
            phases=[hypothesis.Phase.generate],  # to shrink what fails would take many minutes
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
