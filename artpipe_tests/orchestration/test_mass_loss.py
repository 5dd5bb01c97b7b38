"""A gallery that seems to have lost most of its works: nothing is given up, a person is told, and it is asked again."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from artpipe.catalog.changes import losses
from artpipe.catalog.known import known_artworks
from artpipe.cli.main import app
from artpipe.definitions import build_definitions
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake.mass_loss import MassLossError, read_refusals
from artpipe.lake.paths import DataLake
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.runner import RefreshOptions
from artpipe.sample_gallery.site import ARTIST_LIST_FILE, HEADER
from artpipe.schema import STORED
from artpipe_tests.conftest import FakeWebhook

DOWN_TO_SPLITS = RefreshOptions("+splits")
KEPT = ("artists", "artworks", "catalog_changes", "quarantine", "wanted_images", "splits")
ASKED = {"revalidate_after_days": 0}


def half_of_the_catalogue(gallery):
    gallery.publish(gallery.lines()[::2])


def an_artist_page_of_one_row(gallery):
    page = gallery.folder / ARTIST_LIST_FILE
    rows = [row for row in re.findall(r"<tr>.*?</tr>", page.read_text("utf-8"), re.DOTALL) if "ARTISTLIST" in row]
    gallery.write(page, f"<html><table>{rows[0]}</table></html>".encode())


def every_picture_404(gallery):
    for path in pictures(gallery):
        path.unlink()


def a_login_page_for_every_picture(gallery):
    for path in pictures(gallery):
        gallery.write(path, b"<html><body><form>Please log in</form></body></html>")


def one_placeholder_for_every_picture(gallery):
    out = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(out, "JPEG")
    for path in pictures(gallery):
        gallery.write(path, out.getvalue())


def robots_that_forbid_art(gallery):
    (gallery.folder / "robots.txt").write_text("User-agent: *\nDisallow: /art/\n")


def pages_of_another_layout(gallery):
    rewrite(gallery, lambda row: row | {"URL": row["URL"].replace("/html/", "/works/")})


def two_columns_in_the_place_of_each_other(gallery):
    rewrite(gallery, lambda row: row | {"TYPE": row["SCHOOL"], "SCHOOL": row["TYPE"]})


def no_years(gallery):
    rewrite(gallery, lambda row: row | {"DATE": "-"})


def pictures(gallery) -> list[Path]:
    return sorted((gallery.folder / "art").rglob("*.jpg"))


def rewrite(gallery, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    rows = [dict(zip(HEADER, line.split("\t"), strict=False)) for line in gallery.lines()]
    gallery.publish(
        ["\t".join(change(row).values()) if len(row) == len(HEADER) else "\t".join(row.values()) for row in rows]
    )


@dataclass(frozen=True)
class Instance:
    """A way in which a gallery fails, what it would take away from which asset, and the settings of the refresh."""

    fails: Callable[..., None]
    asset: str
    loss: str
    settings: dict[str, object] = field(default_factory=dict[str, object])


INSTANCES = [
    Instance(half_of_the_catalogue, "artworks", r"3\d of 6\d artworks"),
    Instance(an_artist_page_of_one_row, "artists", r"\d+ of \d+ artists"),
    Instance(pages_of_another_layout, "artworks", r"6\d of 6\d artworks \(100%"),
    Instance(
        two_columns_in_the_place_of_each_other, "artworks", r"of \d+ values of `type`.* of \d+ values of `school`"
    ),
    Instance(no_years, "artworks", r"of \d+ values of `year_source`"),
    Instance(every_picture_404, "images", r"5\d of 5\d requested images .*404", ASKED),
    Instance(a_login_page_for_every_picture, "images", r"5\d of 5\d requested images .*not_an_image", ASKED),
    Instance(
        one_placeholder_for_every_picture, "images", r"5\d of 5\d requested images .*one image came for several", ASKED
    ),
    Instance(robots_that_forbid_art, "images", r"5\d of 5\d requested images .*robots\.txt", ASKED),
]


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda instance: instance.fails.__name__)
def test_a_mass_loss_is_refused_and_the_next_refresh_asks_again_at_once(harvest, instance: Instance):
    before, images = held(harvest), version(harvest, "images")
    healthy = {path: path.read_bytes() for path in files(harvest)}
    instance.fails(harvest.gallery)
    with pytest.raises(MassLossError, match=instance.loss) as refused:
        harvest.refresh(DOWN_TO_SPLITS, **instance.settings)
    assert refused.value.asset == instance.asset
    assert held(harvest) == before
    status = harvest.statuses()[instance.asset]
    assert status.status == "stale"
    assert re.search(instance.loss, status.reasons[0])
    for path in set(files(harvest)) - healthy.keys():
        path.unlink()
    for path, content in healthy.items():
        harvest.gallery.write(path, content)
    report = harvest.refresh(DOWN_TO_SPLITS)
    assert instance.asset in report.ran
    assert "splits" not in report.ran
    assert (held(harvest), version(harvest, "images")) == (before, images)
    assert read_refusals(harvest.lake) == {}
    assert {name for name in harvest.needing_a_run() if name in report.ran or name in KEPT} == set()


def files(harvest) -> list[Path]:
    return [path for path in harvest.gallery.folder.rglob("*") if path.is_file()]


def held(harvest) -> dict[str, object]:
    """What the lake holds: tables with the versions in their records, and the stored images."""
    store = ImageStore(harvest.lake)
    stored = store.outcomes().filter(pl.col("status").is_in(STORED))["artwork_id"].to_list()
    tables = {name: (harvest.table(name).to_dicts(), version(harvest, name)) for name in KEPT}
    return tables | {"images": dict(zip(stored, store.jpegs(stored), strict=True))}


def version(harvest, asset: str) -> str:
    return Lineage(harvest.lake).versions([asset])[asset]


def test_a_person_is_told_in_one_line_by_exit_code_2_and_an_alert_and_accepts_one_loss_by_one_flag(
    harvest, monkeypatch: pytest.MonkeyPatch, fake_webhook: FakeWebhook
):
    settings = harvest.settings().model_dump(exclude_unset=True) | {"webhook_url": fake_webhook.url}
    for name, value in settings.items():
        monkeypatch.setenv(f"ARTPIPE_{name.upper()}", str(value))

    def refresh(*flags: str) -> Result:
        return CliRunner().invoke(app, ["refresh", "--select", "+splits", *flags])

    half_of_the_catalogue(harvest.gallery)
    left = len(harvest.gallery.lines())
    unseen = refresh("--accept-loss")
    assert unseen.exit_code == 2, "nobody has seen what it would accept"
    refused = refresh()
    assert refused.exit_code == 2
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert re.search(r"`artworks` would lose 3\d of 6\d artworks", line)
    assert "Traceback" not in refused.stderr
    assert [alert["assets"] for alert in fake_webhook.alerts] == [["artworks"]] * 2
    assert line.removeprefix("error: ") in fake_webhook.alerts[1]["text"]
    shown = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["assets"]
    assert "`artpipe refresh --accept-loss` accepts" in next(a["why"] for a in shown if a["asset"] == "artworks")
    accepted = refresh("--accept-loss")
    assert accepted.exit_code == 0, accepted.stderr
    assert left - 2 <= harvest.table("artworks").height <= left
    half_of_the_catalogue(harvest.gallery)
    assert refresh("--accept-loss").exit_code == 2, "another loss"


def test_a_loss_is_accepted_by_one_click_on_a_job_that_changes_nothing_where_none_was_refused(harvest):
    definitions = build_definitions(harvest.settings())
    job = definitions.resolve_job_def("accept_loss")
    before = held(harvest)
    with open_instance(harvest.settings()) as instance:
        assert job.execute_in_process(instance=instance).success
        assert held(harvest) == before
        half_of_the_catalogue(harvest.gallery)
        with pytest.raises(MassLossError):
            harvest.refresh(DOWN_TO_SPLITS)
        assert job.execute_in_process(instance=instance).success
    assert harvest.table("artworks").height < len(before["artworks"][0]) / 1.9
    assert read_refusals(harvest.lake) == {}


def test_a_ban_before_anything_was_harvested_is_over_when_the_robots_txt_is(harvest):
    robots_that_forbid_art(harvest.gallery)
    fresh = type(harvest)(harvest.lake_root.with_name("fresh"), harvest.gallery)
    fresh.refresh(RefreshOptions("+images"))
    assert set(ImageStore(fresh.lake).outcomes()["status"]) == {"refused"}
    (harvest.gallery.folder / "robots.txt").unlink()
    fresh.refresh(RefreshOptions("+images"))
    assert ImageStore(fresh.lake).outcomes().filter(status="fetched").height > 50


def test_a_loss_below_the_share_goes_down_as_ever(harvest):
    harvest.gallery.publish(harvest.gallery.lines()[:-4])
    assert "splits" in harvest.refresh(DOWN_TO_SPLITS).ran
    assert read_refusals(harvest.lake) == {}


@pytest.mark.parametrize("fault", ["torn", "gone"])
def test_half_a_catalogue_is_refused_where_the_table_of_artworks_cannot_be_compared_with_it(harvest, fault: str):
    stored = held(harvest)["images"]
    table = Path(str(harvest.lake.table("artworks")))
    table.write_bytes(table.read_bytes()[:100]) if fault == "torn" else table.unlink()
    half_of_the_catalogue(harvest.gallery)
    with pytest.raises(MassLossError, match=r"`artworks` would lose [23]\d of 5\d artworks"):
        harvest.refresh(DOWN_TO_SPLITS)
    store = ImageStore(harvest.lake)
    assert store.outcomes().filter(pl.col("status").is_in(STORED))["artwork_id"].to_list() == sorted(stored)
    harvest.refresh(RefreshOptions("+splits", accept_loss=True))
    assert harvest.table("artworks").height < 40


def test_a_table_of_artworks_that_was_torn_is_made_anew_from_a_whole_catalogue(harvest):
    before = harvest.table("artworks")
    Path(str(harvest.lake.table("artworks"))).write_bytes(b"PAR1")
    harvest.refresh(DOWN_TO_SPLITS)
    assert harvest.table("artworks").equals(before)
    assert harvest.table("catalog_changes").is_empty()


def test_what_can_be_searched_tells_which_values_a_new_catalogue_lacks(tmp_path: Path):
    lake = DataLake(tmp_path)
    assert known_artworks(lake) is None
    rows = {"artwork_id": ["a", "b", "c"], "model_id": "m", "jpeg_sha256": ["1", "2", "3"], "style": "Baroque"}
    EmbeddingTable(lake).upsert(pl.DataFrame(rows).with_columns(vector=np.eye(3, dtype=np.float32)))
    works = pl.DataFrame({"artwork_id": ["a", "b", "d"], "style": ["Baroque", None, None]})
    found = {
        loss.what: (loss.held, loss.lost) for loss in losses(known_artworks(lake), works, "artwork_id", "artworks")
    }
    assert found == {"artworks": (3, 1), "values of `style`": (2, 1)}
