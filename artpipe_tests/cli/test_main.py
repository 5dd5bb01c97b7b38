import json
import re
import subprocess
import sys
import types
from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from artpipe import __version__
from artpipe.cli.main import app
from artpipe.embedding.table import EmbeddingTable
from artpipe.errors import ArtpipeError
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake, write_whole
from artpipe.search.text import build_text_index

COLOURS = [f"p/painter/{name}" for name in ("red", "orange", "blue")]
VECTORS = pl.Series([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=pl.Array(pl.Float32, 3))


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataLake:
    """A lake of three invented works, named by the settings."""
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    lake = DataLake(tmp_path / "lake")
    rows = pl.DataFrame(
        {
            "artwork_id": COLOURS,
            "model_id": "3fa9",
            "sha256": COLOURS,
            "artist": ["PAINTER, Péter", "PAINTER, Péter", "OTHER, One"],
            "title": ["[Red]", "Orange", "Blue"],
            "style": ["Baroque", "Baroque", "Rococo"],
            "school": ["French", "French", "Dutch"],
            "location": ["Prado, Madrid", "Musée du Louvre, Paris", None],
            "year_from": [1600, 1640, 1750],
            "year_to": [1610, 1650, 1760],
            "vector": VECTORS,
        }
    )
    EmbeddingTable(lake).upsert(rows)
    write_whole(lake.served_model, b'{"model_id": "3fa9"}')
    return lake


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def found(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [hit["artwork_id"] for hit in json.loads(result.stdout)]


def failure(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


@pytest.mark.usefixtures("lake")
def test_search_prints_a_table_for_people():
    result = run("search", "p/painter/red")
    assert result.exit_code == 0
    assert "Most similar to p/painter/red" in result.stdout
    assert "Orange" in result.stdout
    assert "0.800" in result.stdout


@pytest.mark.usefixtures("lake")
def test_search_prints_json_alone():
    result = run("search", "p/painter/orange", "--json")
    assert found(result) == ["p/painter/red", "p/painter/blue"]
    assert json.loads(result.stdout)[0]["title"] == "[Red]"
    assert result.stderr == ""


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--k", "1"], ["p/painter/orange"]),
        (["--style", "rococo"], ["p/painter/blue"]),
        (["--school", "Dutch"], ["p/painter/blue"]),
        (["--location", "louvre"], ["p/painter/orange"]),
        (["--artist", "peter"], ["p/painter/orange"]),
        (["--years", "1645-1755"], ["p/painter/orange", "p/painter/blue"]),
        (["--years", "1700-"], ["p/painter/blue"]),
        (["--years", "-1700"], ["p/painter/orange"]),
        (["--years", "1640"], ["p/painter/orange"]),
        (["--years", "500 BC-AD 1645"], ["p/painter/orange"]),
        (["--years", "500-450 BC"], []),
        (["--years", "-450 bce"], []),
        (["--years", "450 BC-"], ["p/painter/orange", "p/painter/blue"]),
    ],
)
def test_search_options_become_filters(options: list[str], expected: list[str]):
    assert found(run("search", "p/painter/red", "--json", *options)) == expected


def test_search_as_of_opens_an_earlier_version(lake: DataLake):
    then = EmbeddingTable(lake).version
    EmbeddingTable(lake).remove(["p/painter/orange"])
    assert found(run("search", "p/painter/red", "--json")) == ["p/painter/blue"]
    assert found(run("search", "p/painter/red", "--json", "--as-of", str(then)))[0] == "p/painter/orange"
    assert found(run("search", "p/painter/red", "--json", "--as-of", "2999-12-31")) == ["p/painter/blue"]


@pytest.mark.usefixtures("lake")
def test_hits_are_written_to_the_files_that_are_named(tmp_path: Path):
    names = ("hits.csv", "hits.parquet", "hits.png")
    options = zip(("--csv", "--parquet", "--sheet"), (str(tmp_path / name) for name in names), strict=True)
    result = run("search", "p/painter/red", "--json", *(word for option in options for word in option))
    assert found(result) == ["p/painter/orange", "p/painter/blue"]
    assert all(name in result.stderr for name in names)
    assert pl.read_csv(tmp_path / "hits.csv")["title"].to_list() == ["Orange", "Blue"]
    assert pl.read_parquet(tmp_path / "hits.parquet")["rank"].to_list() == [1, 2]
    with Image.open(tmp_path / "hits.png") as sheet:
        assert sheet.width > sheet.height


@pytest.mark.usefixtures("lake")
def test_a_search_without_a_match_prints_a_message_or_empty_json():
    assert "No work matches every filter" in run("search", "p/painter/red", "--years", "1900-").stderr
    assert found(run("search", "p/painter/red", "--years", "1900-", "--json")) == []


def test_works_are_found_by_words_alone(lake: DataLake):
    build_text_index(lake)
    assert found(run("search", "--text", "orange", "--json")) == ["p/painter/orange"]
    shown = run("search", "--text", "orange")
    assert "Works that match orange" in shown.stdout
    assert "relevance" in shown.stdout
    assert "name an artwork, an image, or words with --text" in run("search").stderr
    assert found(run("find", "PAINTER", "orange", "-k", "1", "--json")) == ["p/painter/orange"]
    assert found(run("find", "painter", "--years", "1640", "--json")) == ["p/painter/orange"]
    assert "Works that match painter peter" in run("find", "painter", "peter").stdout


def test_words_that_no_work_has_bring_up_the_names_that_may_have_been_meant(lake: DataLake):
    build_text_index(lake)
    asked = run("search", "p/painter/red", "--text", "peter panter", "--style", "Rococo").stderr
    assert "No work matches every filter. Did you mean PAINTER, Péter?" in asked
    assert "Did you mean" not in run("search", "p/painter/red", "--text", "xylophone").stderr
    assert "No work matches these words." in run("find", "Dadaismus").stderr
    assert "No work matches every filter." in run("find", "Dadaismus", "--years", "1640").stderr
    assert found(run("search", "p/painter/blue", "--artist", "peter painter", "--json")) == COLOURS[1::-1]


@pytest.mark.usefixtures("lake")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "p/painter/rde"], "error: the collection has no artwork 'p/painter/rde'; the closest are: p/paint"),
        (["search", "gone.jpg"], "error: gone.jpg is neither a file nor the id of an artwork"),
        (["search", "p/painter/red", "--style", "Barrok"], "error: no work has the style 'Barrok'"),
        (["search", "p/painter/red", "--years", "soon"], "'soon' is not a range of years"),
        (["search", "p/painter/red", "--years", "1700-1600"], "year_from 1700 is after year_to 1600"),
        (["search", "p/painter/red", "--years", "450-500 BC"], "year_from 450 BC is after year_to 500 BC"),
        (["search", "p/painter/red", "--as-of", "soon"], "error: 'soon' is neither a version nor a date; write 12"),
        (["search", "p/painter/red", "--as-of", "1999-12-31"], "error: the version of 1999-12-31 is not kept: the ol"),
        (["search", "p/painter/red", "--csv", "/none/x.csv"], "error: /none/x.csv cannot be written (No such file or"),
        (["search", "p/painter/red", "--text", "blue"], "error: the words are not indexed yet; materialize"),
        (["search", "p/painter/red", "--k", "0"], "greater than or equal to 1"),
    ],
)  # fmt: skip
def test_bad_input_is_one_message_on_stderr_and_exit_code_2(arguments: list[str], message: str):
    assert message in re.sub(r"[\s│]+", " ", failure(run(*arguments, "--json")))


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two pictures and a damaged one."""
    monkeypatch.chdir(tmp_path)
    for name in ("far.jpg", "near.jpg"):
        Image.new("RGB", (32, 32)).save(name)
    Path("torn.jpg").write_bytes(Path("far.jpg").read_bytes()[:20])
    return tmp_path


@pytest.mark.usefixtures("lake", "pictures")
def test_a_picture_that_cannot_be_read_does_not_keep_the_others_from_their_prediction(
    monkeypatch: pytest.MonkeyPatch,
):
    from artpipe.search import Collection
    from artpipe.search.predictions import Prediction

    def predicted(_: Collection, images: list[object]) -> list[Prediction]:
        return [Prediction(None, {"type": [("portrait", 0.93)]}, {"type": True}) for _ in images]

    monkeypatch.setattr(Collection, "predict", predicted)
    result = run("predict", "far.jpg", "torn.jpg", "gone.jpg", "near.jpg", "--json")
    assert result.exit_code == 1
    assert [(one["file"], "error" in one) for one in json.loads(result.stdout)] == [
        ("far.jpg", False),
        ("torn.jpg", True),
        ("gone.jpg", True),
        ("near.jpg", False),
    ]
    assert "error: torn.jpg cannot be used" in result.stderr
    assert "error: gone.jpg cannot be read (No such file or directory); give the path of" in result.stderr
    shown = run("predict", "far.jpg", "torn.jpg", "near.jpg")
    assert shown.exit_code == 1
    told = re.sub(r"[\s│]+", " ", shown.stdout)
    assert re.search("far.jpg portrait 93% .*torn.jpg cannot be used.* near.jpg portrait 93%", told)
    assert run("predict", "torn.jpg", "gone.jpg").exit_code == 2


@pytest.mark.parametrize(
    ("number", "code", "in_background"), [("SIGINT", 130, False), ("SIGTERM", 143, False), ("SIGTERM", 143, True)]
)
def test_an_interrupt_is_one_line_and_its_own_exit_code(number: str, code: int, in_background: bool):
    program = f"""
import os, signal, time, typer
from contextlib import nullcontext
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as
from artpipe.cli.main import _Commands

app = typer.Typer(cls=_Commands)

@app.command()
def work():
    with {"nullcontext()" if in_background else "raise_interrupts_as(DagsterExecutionInterruptedError)"}:
        os.kill(os.getpid(), signal.{number})
        time.sleep(1)

@app.command()
def other():
    pass

if {in_background}:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell script starts a job with `&`
app(["work"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr == "interrupted; what was finished is kept: the same command goes on from there.\n"


@pytest.mark.usefixtures("lake")
def test_a_misspelt_variable_is_pointed_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_GALERY", "https://www.wga.hu")
    result = run("search", COLOURS[0], "--json")
    assert result.stderr == "ARTPIPE_GALERY is no setting; ARTPIPE_GALLERY may be meant.\n"
    assert found(result) == [COLOURS[1], COLOURS[2]]


@pytest.mark.usefixtures("lake", "pictures")
def test_an_unsure_label_and_a_picture_out_of_distribution_are_marked(monkeypatch: pytest.MonkeyPatch):
    from artpipe.search import Collection
    from artpipe.search.novelty import Novelty
    from artpipe.search.predictions import Prediction

    best = {"style": [("Baroque", 0.41), ("Rococo", 0.4)], "type": [("portrait", 0.93)]}
    answers = [
        Prediction(name, best, {"style": False, "type": True}, Novelty(0.9, distance, 2.0))
        for name, distance in (("far.jpg", 3.0), ("near.jpg", 1.0))
    ]
    monkeypatch.setattr(Collection, "predict", lambda *_: answers)
    shown = re.sub(r"[\s│]+", " ", run("predict", "far.jpg", "near.jpg").stdout)
    assert "unsure (best guess Baroque 41%)" in shown
    assert "portrait 93%" in shown
    assert shown.count("unlike anything in the collection") == 1
    first, second = json.loads(run("predict", "far.jpg", "near.jpg", "--json").stdout)
    assert first["is_sure"] == {"style": False, "type": True}
    assert (first["is_out_of_distribution"], second["is_out_of_distribution"]) == (True, False)


@pytest.mark.usefixtures("lake", "pictures")
def test_the_labels_of_what_is_no_painting_are_withheld(monkeypatch: pytest.MonkeyPatch):
    from artpipe.search import Collection
    from artpipe.search.predictions import Prediction

    painting = Prediction("near.jpg", {"type": [("portrait", 0.93)]}, {"type": True}, is_painting=True)
    answers = [Prediction("far.jpg", {}, {}, is_painting=False), painting]
    monkeypatch.setattr(Collection, "predict", lambda *_: answers)
    shown = re.sub(r"[\s│]+", " ", run("predict", "far.jpg", "near.jpg").stdout)
    assert "portrait 93%" in shown
    assert shown.count("not look like a painting") == 1
    first, second = json.loads(run("predict", "far.jpg", "near.jpg", "--json").stdout)
    assert (first["is_painting"], second["is_painting"]) == (False, True)
    assert "type" not in first
    answers.pop()
    assert "predicts nothing" not in run("predict", "far.jpg").output


def test_a_search_before_anything_was_embedded_names_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    assert "there is no data lake" in failure(run("search", "a/b/c"))
    (tmp_path / "lake").mkdir()
    assert 'run `artpipe demo` or materialize "embeddings"' in failure(run("search", "a/b/c"))
    Image.new("RGB", (32, 32)).save(tmp_path / "x.jpg")
    assert "no model was trained" in failure(run("predict", str(tmp_path / "x.jpg")))


def test_a_table_of_another_model_is_refused(lake: DataLake):
    lake.served_model.write_text('{"model_id": "81c0"}')
    assert failure(run("search", "p/painter/red")) == (
        'error: the table was built by model 3fa9, the loaded one is 81c0; materialize "embeddings".\n'
    )


def test_a_bad_setting_is_named_as_the_person_wrote_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_EPOCHS", "many")
    monkeypatch.setenv("ARTPIPE_GALLERY", "ftp://x")
    message = failure(run("info"))
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert "ARTPIPE_EPOCHS='many'" in message
    assert "ARTPIPE_GALLERY='ftp://x': ftp://x is neither `sample` nor an http(s) URL" in message


def test_an_unexpected_exception_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a surprise")

    monkeypatch.setitem(sys.modules, "artpipe.cli.demo", types.SimpleNamespace(run_demo=broken))  # pyright: ignore[reportArgumentType]
    assert isinstance(run("demo").exception, RuntimeError)


def test_an_error_of_lance_is_damage_only_where_a_table_is_damaged(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise OSError("LanceError(IO): Invalid user input: column not found, /rust/lance/src/x.rs:1:2")

    monkeypatch.setitem(sys.modules, "artpipe.cli.demo", types.SimpleNamespace(run_demo=broken))  # pyright: ignore[reportArgumentType]
    assert isinstance(run("demo").exception, OSError), "a defect keeps its traceback"
    data = min(Path(str(lake.lance("embeddings"))).glob("data/*"))
    data.write_bytes(data.read_bytes()[:50])
    message = failure(run("demo"))
    assert message.startswith(f"error: {lake.root}/lance/embeddings.lance is damaged (is torn: {data.name} has 50 of ")
    assert message.endswith("run `artpipe refresh`, which makes anew what is damaged and keeps the rest.\n")


def test_demo_passes_the_settings_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_SEED", "7")
    given: list[object] = []
    demo = types.SimpleNamespace(run_demo=lambda *args: given.extend(args))
    monkeypatch.setitem(sys.modules, "artpipe.cli.demo", demo)  # pyright: ignore[reportArgumentType]
    assert run("demo").exit_code == 0
    settings, console = given
    assert settings.seed == 7  # pyright: ignore[reportAttributeAccessIssue]
    assert console.stderr  # pyright: ignore[reportAttributeAccessIssue]


def test_an_expected_failure_of_the_graph_ends_with_exit_code_2(monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_: object) -> None:
        raise ArtpipeError("the gallery cannot be reached; check ARTPIPE_GALLERY.")

    monkeypatch.setitem(sys.modules, "artpipe.cli.demo", types.SimpleNamespace(run_demo=unreachable))  # pyright: ignore[reportArgumentType]
    assert failure(run("demo")) == "error: the gallery cannot be reached; check ARTPIPE_GALLERY.\n"


def test_info_counts_the_rows_of_every_table(lake: DataLake):
    info = json.loads(run("info", "--json").stdout)
    assert info["lake"] == str(lake.root)
    assert info["rows"] == {
        "artists": None,
        "artworks": None,
        "catalog_changes": None,
        "wanted_images": None,
        "quarantine": None,
        "splits": None,
        "training_set": None,
        "images": None,
        "embeddings": 3,
    }
    assert (info["model"], info["index"]) == ("3fa9", None)
    assert info["settings"]["lake"] == str(lake.root)
    assert info["dagster_home"] == str(lake.root / "dagster")
    assert info["versions"]["artpipe"] == __version__
    assert "embeddings" in run("info").stdout


def test_info_says_how_long_training_takes(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    assert json.loads(run("info", "--json").stdout)["training"] is None, "nobody knows yet how many pictures there are"
    pictures = pl.DataFrame({"artwork_id": [str(number) for number in range(4000)]})
    for name in ("ARTPIPE_GALLERY", "https://www.wga.hu"), ("ARTPIPE_DEVICE", "cpu"), ("ARTPIPE_RECIPE", "probe"):
        monkeypatch.setenv(*name)
    write_table(lake.table("wanted_images"), pictures)
    said = json.loads(run("info", "--json").stdout)["training"]
    assert said.startswith("`probe` with mobilenet_v3_small on 4,000 pictures and ")
    write_table(lake.table("training_set"), pictures.head(3000))
    assert "on 3,000 pictures" in json.loads(run("info", "--json").stdout)["training"]


def test_info_creates_no_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "lake"))
    assert json.loads(run("info", "--json").stdout)["exists"] is False
    assert not (tmp_path / "lake").exists()


def test_the_version_is_shown():
    assert run("--version").stdout == f"artpipe {__version__}\n"


def test_the_command_line_starts_without_heavy_libraries():
    heavy = ("torch", "dagster", "lancedb", "lance", "polars", "numpy", "pydantic")
    code = f"import sys, artpipe.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_real_process_keeps_json_pure_and_its_exit_code(lake: DataLake):
    def process(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "artpipe.cli", *arguments, "--json"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = process("search", "p/painter/red")
    assert (good.returncode, good.stderr) == (0, "")
    assert [hit["rank"] for hit in json.loads(good.stdout)] == [1, 2]
    bad = process("search", "p/painter/none", "--style", "Baroque")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("error: the collection has no artwork")
    assert "Traceback" not in bad.stderr
    assert lake.root.exists()


def test_serve_before_anything_is_embedded_names_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARTPIPE_LAKE", str(tmp_path / "nothing"))
    assert "artpipe demo" in failure(run("serve", "--port", "0"))


@pytest.mark.usefixtures("lake")
def test_serve_names_a_port_that_is_taken():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        message = failure(run("serve", "--port", port))
    assert port in message
    assert "--port" in message


@pytest.mark.usefixtures("lake")
def test_an_export_into_a_folder_with_something_in_it_is_refused(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    assert "name a new folder" in failure(run("export-site", str(tmp_path)))


def test_reports_of_several_runs_become_one_table(tmp_path: Path):
    assert "reports/evaluation/report.json of each run" in failure(run("summarise", str(tmp_path / "nothing.json")))
    for name, recall in (("a", 0.5), ("b", 0.7)):
        report = {"splits": {}, "rephotographs": {"glare": {"recall": recall}}}
        (tmp_path / name).write_text(json.dumps(report))
    answer = run("summarise", str(tmp_path / "a"), str(tmp_path / "b"))
    assert answer.exit_code == 0
    assert "| held out | photograph: glare | recall@1 | 60.0 % | 14.1 % | 50.0 % | 70.0 % |" in answer.stdout
