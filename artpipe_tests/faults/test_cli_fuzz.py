"""Whatever a person sets, types or names as a file, a command ends with 0, 1 or 2 and in words, never in a traceback.

Hypothesis draws settings, arguments and files; `CLI_FUZZ=2000 pytest -n 0 artpipe_tests/faults/test_cli_fuzz.py` draws
more of them.
"""

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import polars as pl
import pytest
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from artpipe.cli.main import app
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import ARTWORKS
from artpipe.settings import Settings
from artpipe_tests.fixtures.paintings import jpeg_of, painting

EXAMPLES = int(os.environ.get("CLI_FUZZ", "60"))
WORKS = [f"p/painter/{name}" for name in ("red", "orange", "blue")]
NOTHING_LISTENS = "http://127.0.0.1:9"

ODD_TEXT = st.sampled_from(
    ["", " ", "-", "--", "-1", "0", "1e400", "nan", "-inf", "9" * 400, "x" * 5000, "é\u202e💥", "a/b/../..", "~nobody",
     "/dev/null", "/dev/null/x", ".", "[bold]", "'; --", "%s{}", "100 BC-AD 50", "2026-02-30", "1600-", "true", "none"]
)  # fmt: skip
TEXT = ODD_TEXT | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
KNOWN = st.sampled_from([*WORKS, "style", "portrait", "Baroque", "artworks", "images+", "3fa9"])
ADDRESSES = st.sampled_from(
    ["http://", "http://[::1", "http://a:99999", "http://a b", "https://ü.example/x y", "ftp://a", "http://u:p@h:1/p",
     "s3://", "s3://bucket/x", "memory://x", "file:///tmp/x", "gs://x", "//x"]
)  # fmt: skip
NAMES = [name.upper() for name in Settings.model_fields if name not in ("dagster_home", "lake")]
VARIABLES = st.sampled_from([*(f"ARTPIPE_{name}" for name in NAMES), "DAGSTER_HOME", "ARTPIPE_LAKE", "ARTPIPE_TYPO"])
PLACES = st.sampled_from(["ARTPIPE_LAKE", "ARTPIPE_GALLERY", "ARTPIPE_LABEL_OVERRIDES", "DAGSTER_HOME"])
VALUES = TEXT | ADDRESSES | st.integers().map(str)
SETTINGS = st.dictionaries(VARIABLES, VALUES, max_size=3) | st.dictionaries(PLACES, ADDRESSES | ODD_TEXT, max_size=2)
LABELS = b"artwork_id,task,label,by,reason,at\np/painter/red,style,Rococo,a,,\n"
FILES = st.sampled_from(
    [b"", b"\xff\xfe\x00", b"\x00" * 100, LABELS, LABELS.replace(b",", b";"), LABELS.decode().encode("utf-16"),
     b"artwork_id\n" + b"x" * 200_000, b'{"splits": 3}', b"[]", b'"', b"{" * 50_000, b"1e999", b"ARTPIPE_SEED=x\n",
     jpeg_of(painting(0)), jpeg_of(painting(0))[:300]]
) | st.binary(max_size=60)  # fmt: skip
OPTIONS = {
    "search": ("-k", "--style", "--type", "--period", "--artist", "--technique", "--years", "--as-of", "--text"),
    "refresh --dry-run": ("--select",),
    "status": ("--select",),
    "labels suspects": ("--task", "-n"),
    "labels set": ("--reason", "--by"),
    "labels join": ("--reason", "--by"),
    "sources check": ("-n",),
    "sources new": ("-o", "--name"),
}
COMMANDS = (
    "info", "status", "refresh --dry-run", "models", "models promote", "search", "predict", "summarise", "labels list",
    "labels suspects", "labels set", "labels join", "export-site", "gallery", "--version",
    "sources list", "sources show", "sources check", "sources new",
)  # fmt: skip


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """A command with arguments of any kind; a file that the test wrote is `FILE`, one that it may write `NEW`."""
    command = draw(st.sampled_from(COMMANDS))
    word = TEXT | KNOWN | st.sampled_from(["FILE", "NEW", "--json", "--help"])
    words = draw(st.lists(word, max_size=3))
    if options := OPTIONS.get(command):
        for option in draw(st.lists(st.sampled_from(options), max_size=3, unique=True)):
            words += [option, draw(TEXT | KNOWN)]
    return [*command.split(), *words]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    """A lake of three works with a catalogue, and no model."""
    lake = DataLake(tmp_path_factory.mktemp("fuzz") / "lake")
    vectors = pl.Series([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], dtype=pl.Array(pl.Float32, 3))
    rows = pl.DataFrame({"artwork_id": WORKS, "model_id": "3fa9", "title": ["[Red]", "Orange", "Blue"]})
    EmbeddingTable(lake).upsert(rows.with_columns(vector=vectors, artist=pl.lit("PAINTER, Péter")))
    write_table(lake.table("artworks"), pl.DataFrame([{"artwork_id": name} for name in WORKS], ARTWORKS))
    write_whole(lake.served_model, b'{"model_id": "3fa9"}')
    return lake


def ends_in_words(result: Result) -> None:
    assert result.exit_code in (0, 1, 2), result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output


def run(lake: DataLake, folder: Path, settings: dict[str, str], words: list[str], files: dict[str, bytes]) -> Result:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    places = {"FILE": str(folder / "file"), "NEW": str(folder / "new")}
    environment = {"ARTPIPE_LAKE": str(lake.root), "ARTPIPE_GALLERY": NOTHING_LISTENS, **settings}
    return CliRunner().invoke(app, [places.get(word, word) for word in words], env=environment)


@hypothesis.settings(
    max_examples=EXAMPLES,
    database=None,
    derandomize="CLI_FUZZ" not in os.environ,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(SETTINGS, arguments(), st.fixed_dictionaries({"file": FILES}, optional={".env": FILES}))
def test_a_command_ends_in_words(
    lake: DataLake, tmp_path: Path, settings: dict[str, str], words: list[str], files: dict[str, bytes]
):
    (tmp_path / ".env").unlink(missing_ok=True)
    ends_in_words(run(lake, tmp_path, settings, words, files))


@hypothesis.settings(
    max_examples=EXAMPLES // 3,
    database=None,
    derandomize="CLI_FUZZ" not in os.environ,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.sampled_from(["labels", "same_work"]), FILES, st.sampled_from(["labels list", "labels set"]))
def test_whatever_a_file_of_corrections_holds_the_commands_end_in_words(
    lake: DataLake, tmp_path: Path, name: str, content: bytes, command: str
):
    file = Path(lake.overrides(name))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    try:
        words = [*command.split(), *([WORKS[0], "style", "Baroque"] if command == "labels set" else [])]
        ends_in_words(run(lake, tmp_path, {}, words, {}))
    finally:
        file.unlink(missing_ok=True)


@pytest.mark.parametrize("command", ["info", "status", "models", "search x", "predict x", "labels list", "serve"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: None,
        lambda root: root.mkdir(),
        lambda root: root.write_bytes(b"a file"),
        lambda root: root.symlink_to(root),
        lambda root: root.parent.joinpath("lake").symlink_to("nowhere"),
    ],
    ids=["no lake", "an empty folder", "a file", "a link to itself", "a link to nowhere"],
)
def test_a_lake_that_is_none_is_told_in_words(tmp_path: Path, command: str, spoil: Callable[[Path], object]):
    root = tmp_path / "lake"
    spoil(root)
    ends_in_words(run(DataLake(root), tmp_path, {}, command.split(), {}))
