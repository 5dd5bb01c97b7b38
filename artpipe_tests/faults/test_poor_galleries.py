"""A gallery that lacks columns, labels, splits or pictures is a collection all the same, and says what was left out.

The property test draws more with `POOR_GALLERIES=20 pytest -n 0 artpipe_tests/faults/test_poor_galleries.py`.
"""

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from fastapi.testclient import TestClient
from hypothesis import strategies as st
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.models.served import served_card
from artpipe.sample_gallery.server import serving
from artpipe.search import Collection, SearchFilter
from artpipe.splits.assign import HELD_OUT, SplitConfig, hash_fraction, work_split
from artpipe.tasks import WGA_TASKS
from artpipe.web.app import create_app
from artpipe_tests.fixtures.tiny_gallery import WORKS, artwork_id, picture, rows, write_tiny_site
from artpipe_tests.orchestration.conftest import ChangingGallery, Upkeep
from artpipe_tests.orchestration.quiet_home import write_quiet_home

EXAMPLES = int(os.environ.get("POOR_GALLERIES", "1"))
SPLIT_NAMES = ("train", *HELD_OUT)
SETTINGS = {"unseen_artist_share": 0.3}
COLUMNS = ("AUTHOR", "BORN-DIED", "DATE", "TECHNIQUE", "LOCATION", "TYPE", "SCHOOL", "TIMEFRAME", "STYLE")
ONE_VALUE = {"DATE": "1650", "TYPE": "portrait", "STYLE": "Rococo", "BORN-DIED": "(b. 1600, Roma, d. 1660, Roma)"}
LABELS = ("DATE", "BORN-DIED", "TYPE", "STYLE")


@dataclass(frozen=True)
class Poor:
    """What a gallery lacks.

    Attributes:
        columns: by column: `absent`, `one value`, or the splits whose works alone have a value.
        pictures: the splits whose works have a picture.
        count: of those, how many have one.
    """

    columns: dict[str, str | frozenset[str]] = field(default_factory=dict[str, str | frozenset[str]])
    pictures: frozenset[str] = frozenset(SPLIT_NAMES)
    count: int = WORKS


@cache
def split_of(number: int) -> str:
    """The split of a work of the tiny gallery; a test compares it with the table."""
    config = SplitConfig(unseen_artist_share=SETTINGS["unseen_artist_share"])
    name = artwork_id(number)
    if hash_fraction(config.salt, "artist", name.rpartition("/")[0]) < config.unseen_artist_share:
        return "unseen_artists"
    return work_split(name, config)


def made(poor: Poor, folder: Path) -> "Made":
    shutil.rmtree(folder, ignore_errors=True)
    works, kept = rows(), [n for n in range(WORKS) if split_of(n) in poor.pictures][: poor.count]
    for number, row in enumerate(works):
        for column, fate in poor.columns.items():
            if fate == "one value":
                row[column] = ONE_VALUE.get(column, works[0][column])
            elif fate == "absent" or split_of(number) not in fate:
                row[column] = "-"
    write_tiny_site(folder / "site", works, {artwork_id(n): picture(n) for n in kept})
    write_quiet_home(folder / "lake")
    with serving(folder / "site") as server:
        upkeep = Upkeep(folder / "lake", ChangingGallery(server))
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            upkeep.refresh(**SETTINGS)
        # Where most had no image, they are due at once.
        assert upkeep.needing_a_run(**SETTINGS) <= {"images"}
        assert all(one.status == "fresh" for one in upkeep.statuses(**SETTINGS).values())
        return Made(upkeep.lake, upkeep.output.getvalue(), len(kept))


@dataclass(frozen=True)
class Made:
    """The collection made of a poor gallery, what the refresh printed, and how many pictures there are."""

    lake: DataLake
    output: str
    pictures: int

    @property
    def report(self) -> dict[str, dict[str, dict[str, dict[str, dict[str, object]]]]]:
        text = self.lake.evaluation_report.read_text()
        assert "NaN" not in text
        return json.loads(text)

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints."""
        environment = {"ARTPIPE_LAKE": str(self.lake.root), "ARTPIPE_GALLERY": "http://127.0.0.1:9"}
        result = CliRunner().invoke(app, list(arguments), env=environment)
        assert result.exit_code == code, result.output
        return result.output

    def check(self) -> None:
        """Every way to look at the collection works."""
        assert self.report["splits"].keys() == set(HELD_OUT)
        card = served_card(self.lake)
        for task in WGA_TASKS.names:
            for split in HELD_OUT:
                scores = self.report["splits"][split]["classification"][task]
                assert (scores["at_1"] is None) == bool(scores["reason"])
                assert scores["at_1"] is None or task in card.classes
        for command in ("info", "models", "status", "status --json"):
            self.run(*command.split())
        if not self.pictures:
            assert "nothing in the lake" in self.run("search", "scene", code=2)
            return
        collection = Collection.open(self.lake)
        assert len(collection) == self.pictures
        first = read_table(self.lake, "splits")["artwork_id"][0]
        assert collection.similar(first, k=5).height == min(5, self.pictures - 1)
        assert collection.find("scene").height > 0
        assert collection.similar(picture(0), k=3, where=SearchFilter(year_from=1400)).height <= 3
        assert collection.predict([picture(0)])[0].best.keys() == card.classes.keys()
        collection.same_painting(picture(0))
        with TestClient(create_app(self.lake)) as client:
            pages = ["", "search?words=scene", f"search?like={first}", f"works/{first}", "artists", "collection", "map"]
            files = ["api/search?words=scene", f"api/artworks/{first}", "map/works.json", "map/points.bin"]
            for address in (*pages, *files):
                assert client.get(f"/{address}").status_code == 200, address
            upload = client.post("/search", files={"picture": ("p.jpg", picture(0), "image/jpeg")})
            assert upload.status_code == 200, upload.text[:500]
        self.run("export-site", str(self.lake.local_root.with_name("exported")))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "gallery"
    shutil.rmtree(tmp_path / "gallery", ignore_errors=True)


def test_without_any_label_nothing_is_trained_and_everything_can_be_searched(folder: Path):
    found = made(Poor(dict.fromkeys(LABELS, "absent")), folder)
    assert "nothing could be trained: no training picture has a label" in found.output
    gap = "style: no picture has a label, so it is neither learned nor measured"
    assert gap in found.output
    assert gap in found.run("status").replace("\n", " ")
    splits = dict(read_table(found.lake, "splits").select("artwork_id", "split").iter_rows())
    assert splits == {artwork_id(n): split_of(n) for n in range(WORKS)}, "as the other tests take it"
    found.check()


def test_without_any_image_every_asset_is_made_and_the_first_images_fill_it(folder: Path):
    found = made(Poor(pictures=frozenset()), folder)
    assert "nothing could be trained: there are 0 training pictures" in found.output
    found.check()
    write_tiny_site(folder / "site", rows(), {artwork_id(n): picture(n) for n in range(WORKS)})
    with serving(folder / "site") as server:
        upkeep = Upkeep(folder / "lake", ChangingGallery(server))
        upkeep.refresh(**SETTINGS)
        assert upkeep.needing_a_run(**SETTINGS) == set()
    filled = Made(found.lake, "", WORKS)
    filled.check()
    assert served_card(found.lake).classes.keys() == set(WGA_TASKS.names)


def test_a_task_with_labels_in_held_out_works_alone_is_measured_by_none(folder: Path):
    found = made(Poor({"TYPE": frozenset(HELD_OUT), "STYLE": "one value"}), folder)
    assert "type: no training picture has a label, so it is not learned" in found.output
    assert "style: every label of a training picture is 'Rococo'" in found.output
    assert "without type, of which no training picture has a label" in found.output
    assert found.report["splits"]["test"]["classification"]["type"]["reason"] == "the model has no classes"
    found.check()


FATES = st.sampled_from(["absent", "one value"]) | st.frozensets(st.sampled_from(SPLIT_NAMES), max_size=3)


@hypothesis.settings(
    max_examples=EXAMPLES,
    database=None,
    derandomize=EXAMPLES == 1,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(
    st.builds(
        Poor,
        st.dictionaries(st.sampled_from(COLUMNS), FATES),
        st.just(frozenset(SPLIT_NAMES)) | st.frozensets(st.sampled_from(SPLIT_NAMES)),
        st.just(WORKS) | st.integers(0, 4),
    )
)
def test_whatever_is_missing_every_asset_comes_out_right(folder: Path, poor: Poor):
    hypothesis.note(str(poor))
    made(poor, folder).check()


def test_texts_ids_and_dates_beyond_all_bounds_are_carried_to_the_end(folder: Path):
    works = rows()
    long_id = f"t/tester0/{'long' * 60}"
    works[0]["TITLE"] = "Very long " * 10_000
    works[1]["URL"] = works[1]["URL"].replace(artwork_id(1), long_id)
    works[2]["DATE"] = "99999999999999999999"
    works[3]["DATE"] = "4000000000 BC"
    works[4]["TECHNIQUE"] = "Oil " * 20_000
    works[5]["LOCATION"] = "x" * 100_000
    works[6]["URL"] = works[6]["URL"].replace("work06", "ørsted%20% ü\u202e'\"<&>")
    works[7]["TITLE"] = "../../etc/passwd\u202e\ufeff <script>"
    pictures = {artwork_id(n): picture(n) for n in range(WORKS) if n not in (1, 6)}
    write_tiny_site(folder / "site", works, pictures)
    write_quiet_home(folder / "lake")
    with serving(folder / "site") as server:
        upkeep = Upkeep(folder / "lake", ChangingGallery(server))
        upkeep.refresh(**SETTINGS)
        assert upkeep.needing_a_run(**SETTINGS) == set()
    found = Made(upkeep.lake, upkeep.output.getvalue(), len(pictures))
    years = read_table(found.lake, "artworks").filter(artwork_id=artwork_id(2))["year_source"]
    assert years.to_list() == ["artist"], "no year of its own"
    found.check()
