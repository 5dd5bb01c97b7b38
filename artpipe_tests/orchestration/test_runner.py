"""What a refresh selects, how it is described, and where it stops."""

import json

import pytest

from artpipe.definitions import build_definitions
from artpipe.orchestration.runner import UnknownAssetError, selected_assets
from artpipe.settings import Settings

SEARCHED = {
    "search_index",
    "text_index",
    "local_features",
    "art_map",
    "novelty_scale",
    "painting_detector",
    "text_encoder",
}
CATALOG = {"catalog_changes", "tasks", "artworks", "quarantine"}


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, 26),
        ("images", {"images"}),
        ("search_index, artists", {"search_index", "artists"}),
        ("vectors", {"embeddings", "vectors"}),
        ("evaluation_report+", {"evaluation_report"}),
        (
            "classifier+",
            {
                "classifier",
                "served_model",
                "refitted_model",
                "evaluation_report",
                "suspect_labels",
                "embeddings",
                "vectors",
                *SEARCHED,
            },
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


def test_status_gives_reasons_in_words_and_a_dry_run_runs_nothing(upkeep, monkeypatch: pytest.MonkeyPatch):
    from typer.testing import CliRunner

    from artpipe.cli.main import app
    from artpipe.orchestration.outlook import outlook
    from artpipe.orchestration.runner import RefreshOptions

    upkeep.gallery.add_like(upkeep.works()[0])
    upkeep.gallery.edit(upkeep.works(type="portrait")[1], lambda row: row | {"TYPE": "genre"})
    upkeep.refresh(RefreshOptions(select="raw_catalog,artworks"))
    found = {
        one.state.asset: one
        for one in outlook(build_definitions(upkeep.settings(seed=5)), upkeep.settings(seed=5)).forecasts
    }
    assert found["splits"].why == "`artworks` changed: 1 new, 0 changed, 1 relabelled, 0 gone"
    assert found["classifier"].why == "seed 0 -> 5"
    assert (found["artists"].state.status, found["artists"].would_run) == ("fresh", "if inputs change")
    for name, value in upkeep.settings().model_dump(exclude_unset=True).items():
        if not isinstance(value, tuple):
            monkeypatch.setenv(f"ARTPIPE_{name.upper()}", str(value))
    result = CliRunner().invoke(app, ["refresh", "--dry-run", "--json"])
    found = {one["asset"]: one for one in json.loads(result.stdout)["assets"]}
    assert (found["splits"]["status"], found["splits"]["would_run"]) == ("stale", "yes")
    assert (found["search_index"]["status"], found["search_index"]["would_run"]) == ("fresh", "if inputs change")


def test_a_second_refresh_names_the_process_that_it_waits_for(tmp_path):
    import io
    import os
    import threading

    from rich.console import Console

    from artpipe.lake.lock import RefreshUnderWayError, refresh_lock
    from artpipe.lake.paths import DataLake

    lake, output = DataLake(tmp_path), io.StringIO()
    console, waited = Console(file=output, width=200), threading.Event()

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
    assert "waiting for it to end" in output.getvalue()


def test_a_refresh_through_a_queue_lets_the_runs_that_are_before_its_own_write(tmp_path, monkeypatch):
    import io
    import threading

    from rich.console import Console

    from artpipe.lake.lock import RefreshUnderWayError, refresh_under_way, write_lock
    from artpipe.orchestration.runner import RefreshOptions, refresh

    settings = Settings(lake=str(tmp_path / "lake"), dagster_home=str(tmp_path / "home"))
    lake, console, wrote = settings.data_lake, Console(file=io.StringIO()), threading.Event()
    options = RefreshOptions(webserver="http://127.0.0.1:3000", wait=False)

    def run_of_somebody_else() -> None:
        with write_lock(lake, "a run", lambda _: None):
            pass
        wrote.set()

    def queue(*_: object) -> str:
        threading.Thread(target=run_of_somebody_else, daemon=True).start()
        assert wrote.wait(30), "it waits for the refresh, which waits for it"
        assert "a refresh is under way" in refresh_under_way(lake)
        with pytest.raises(RefreshUnderWayError):
            refresh(build_definitions(settings), settings, options, console)
        raise InterruptedError

    monkeypatch.setattr("artpipe.orchestration.webserver.run_through", queue)
    with pytest.raises(InterruptedError):
        refresh(build_definitions(settings), settings, options, console)
    assert not refresh_under_way(lake)


def test_the_status_of_a_lake_that_is_not_there_creates_nothing_and_names_the_closest(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from artpipe.cli.main import app

    (tmp_path / "lakes" / "prado").mkdir(parents=True)
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lakes" / "pardo"))
    shown = CliRunner().invoke(app, ["status"])
    assert shown.exit_code == 0, shown.output
    assert (
        f"There is no data lake at {tmp_path}/lakes/pardo (the closest folder is {tmp_path}/lakes/prado)"
        in shown.stdout
    )
    found = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert not found["exists"]
    assert {one["status"] for one in found["assets"]} == {"missing"}
    assert [path.name for path in tmp_path.rglob("*")] == ["lakes", "prado"]


def test_status_says_who_refreshes_the_lake_and_since_when(tmp_path, monkeypatch):
    import os
    import subprocess
    import sys

    from rich.console import Console
    from typer.testing import CliRunner

    from artpipe.cli.main import app
    from artpipe.lake.lock import refresh_lock
    from artpipe.lake.paths import DataLake

    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path))
    with refresh_lock(DataLake(tmp_path), Console(quiet=True)):
        running = CliRunner().invoke(app, ["status"]).stdout
        (generation,) = (tmp_path / "locks" / "lake").glob("*.json")
        left_behind = json.loads(generation.read_bytes())
    assert f"A refresh is under way (process {os.getpid()} on " in running
    assert ", since 20" in running
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    generation.write_text(json.dumps(left_behind | {"pid": int(ended.stdout)}))  # as a killed process leaves it
    assert json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["refresh_under_way"] is None


def test_a_cluster_that_does_not_answer_is_told_before_anything_runs(tmp_path):
    import io

    from rich.console import Console

    from artpipe.orchestration.runner import RefreshOptions, refresh

    pytest.importorskip("ray", reason="Ray is not installed")
    settings, output = Settings(lake=str(tmp_path / "lake"), ray_address="ray://127.0.0.1:1"), io.StringIO()
    console = Console(file=output, width=200)
    with pytest.raises(UnknownAssetError):
        refresh(build_definitions(settings), settings, RefreshOptions(select="nothing"), console)
    assert output.getvalue().startswith("warning: no Ray cluster answers at ray://127.0.0.1:1")
