"""In what order a refresh runs assets, and where it stops."""

import json

import pytest

from artpipe.definitions import build_definitions
from artpipe.orchestration.runner import UnknownAssetError, next_wave, selected_assets
from artpipe.orchestration.staleness import AssetState, ancestors
from artpipe.settings import Settings

SEARCHED = {"search_index", "text_index", "local_features", "art_map", "novelty_scale"}
CATALOG = {"catalog_changes", "artworks", "quarantine"}
CHAIN = {"root": (), "clean": ("root",), "images": ("clean",), "table": ("clean", "images"), "report": ("table",)}


def states(**status: str) -> dict[str, AssetState]:
    """A graph whose assets are fresh unless said otherwise."""
    return {
        name: AssetState(name, status.get(name, "fresh"), upstream=above, is_root=not above)  # pyright: ignore[reportArgumentType]
        for name, above in CHAIN.items()
    }


EVERYTHING = set(CHAIN)


def test_roots_are_asked_although_they_are_fresh():
    assert next_wave(states(), EVERYTHING, ran=set()) == {"root"}
    assert next_wave(states(), EVERYTHING, ran={"root"}) == set()


def test_a_stale_asset_waits_for_what_may_change_above_it():
    now = states(clean="stale", table="stale")
    assert next_wave(now, EVERYTHING, ran=set()) == {"root"}
    assert next_wave(now, EVERYTHING, ran={"root"}) == {"clean"}
    assert next_wave(states(table="stale"), EVERYTHING, ran={"root", "clean"}) == {"table"}


def test_what_is_missing_all_the_way_down_runs_at_once():
    now = states(root="missing", clean="missing", images="missing", table="missing", report="missing")
    assert next_wave(now, EVERYTHING, ran=set()) == EVERYTHING


def test_a_missing_asset_below_a_stale_one_comes_in_the_same_wave():
    assert next_wave(states(table="stale", report="missing"), EVERYTHING, ran={"root"}) == {"table", "report"}


def test_a_missing_asset_waits_for_a_fresh_one_that_may_yet_change():
    assert next_wave(states(report="missing"), EVERYTHING, ran=set()) == {"root"}
    assert next_wave(states(report="missing"), EVERYTHING, ran={"root"}) == {"report"}


def test_each_asset_runs_once_and_only_if_it_is_selected():
    assert next_wave(states(clean="stale"), EVERYTHING, ran={"root", "clean"}) == set()
    assert next_wave(states(clean="stale", report="stale"), {"report"}, ran=set()) == {"report"}


def test_what_the_gallery_must_be_asked_runs_although_it_is_fresh():
    now = states()
    now["images"] = AssetState("images", "fresh", upstream=("clean",), due="3 answers are older than 6 days")
    assert next_wave(now, EVERYTHING, ran={"root"}) == {"images"}


def test_force_runs_everything_selected_at_once():
    assert next_wave(states(), EVERYTHING, ran=set(), force=True) == EVERYTHING


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, 22),
        ("images", {"images"}),
        ("search_index, artists", {"search_index", "artists"}),
        ("vectors", {"embeddings", "vectors"}),
        ("evaluation_report+", {"evaluation_report"}),
        (
            "classifier+",
            {"classifier", "served_model", "evaluation_report", "suspect_labels", "embeddings", "vectors", *SEARCHED},
        ),
        ("+wanted_images", {"raw_catalog", "raw_artists", "artists", *CATALOG, "wanted_images"}),
        ('key:"images" or key:"splits"', {"images", "splits"}),
    ],
)
def test_a_selection_is_names_or_dagster_s_own_syntax(select, names):
    found = selected_assets(build_definitions(Settings()).resolve_asset_graph(), select)
    assert found == names or len(found) == names


@pytest.mark.parametrize("select", ["imagse", "images and", "key:nothing"])
def test_a_selection_of_nothing_names_the_assets(select):
    with pytest.raises(UnknownAssetError, match="choose from art_map, artists, artworks"):
        selected_assets(build_definitions(Settings()).resolve_asset_graph(), select)


def test_a_step_makes_all_of_its_assets_however_many_are_stale():
    now = states(clean="stale")
    now |= {"set_aside": AssetState("set_aside", "fresh", upstream=("root",), step="cleaning")}
    now["clean"] = AssetState("clean", "stale", upstream=("root",), step="cleaning")
    assert next_wave(now, {*EVERYTHING, "set_aside"}, ran={"root"}) == {"clean", "set_aside"}


def test_ancestors_are_found_however_far_up():
    assert ancestors(states(), "report") == {"root", "clean", "images", "table"}


def test_status_says_why_in_words_and_a_dry_run_runs_nothing(upkeep, monkeypatch: pytest.MonkeyPatch):
    from typer.testing import CliRunner

    from artpipe.cli.main import app
    from artpipe.orchestration.outlook import outlook
    from artpipe.orchestration.runner import RefreshOptions

    upkeep.gallery.add_like(upkeep.works()[0])
    upkeep.gallery.edit(upkeep.works(type="portrait")[1], lambda row: row | {"TYPE": "genre"})
    upkeep.refresh(RefreshOptions(select="raw_catalog,artworks"))
    found = {one.state.asset: one for one in outlook(upkeep.settings(seed=5)).forecasts}
    assert found["splits"].why == "`artworks` changed: 1 new, 0 changed, 1 relabelled, 0 gone"
    assert found["classifier"].why == "seed 0 -> 5"
    assert (found["artists"].state.status, found["artists"].would_run) == ("fresh", "if inputs change")
    for name, value in upkeep.settings().model_dump().items():
        if value is not None and not isinstance(value, tuple) and name != "dagster_home":
            monkeypatch.setenv(f"ARTPIPE_{name.upper()}", str(value))
    result = CliRunner().invoke(app, ["refresh", "--dry-run", "--json"])
    told = {one["asset"]: one for one in json.loads(result.stdout)["assets"]}
    assert (told["splits"]["status"], told["splits"]["would_run"]) == ("stale", "yes")
    assert (told["search_index"]["status"], told["search_index"]["would_run"]) == ("fresh", "if inputs change")


def test_a_second_refresh_says_who_is_at_work(tmp_path):
    import io
    import os
    import threading

    from rich.console import Console

    from artpipe.lake.lock import RefreshUnderWayError, refresh_lock
    from artpipe.lake.paths import DataLake

    lake, told = DataLake(tmp_path), io.StringIO()
    console, waited = Console(file=told, width=200), threading.Event()

    def second() -> None:
        with refresh_lock(lake, console):
            waited.set()

    with refresh_lock(lake, console):
        with (
            pytest.raises(RefreshUnderWayError, match=f"process {os.getpid()} on"),
            refresh_lock(lake, console, wait=False),
        ):
            pass
        thread = threading.Thread(target=second)
        thread.start()
        assert not waited.wait(0.2)
    thread.join(10)
    assert waited.is_set()
    assert "waiting for it to end" in told.getvalue()
