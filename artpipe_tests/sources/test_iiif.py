"""A IIIF source from its address to its rows."""

import json
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from upath import UPath

from artpipe.catalog.rows import ROWS, SourceRows
from artpipe.crawler.client import GalleryClient
from artpipe.crawler.outcome import Outcome, Response
from artpipe.progress import Progress, SilentProgress
from artpipe.sources.iiif import IiifSource
from artpipe.sources.iiif_image import image_address
from artpipe.sources.iiif_walk import MAX_FAILURES, UnreadableIiifError
from artpipe_tests.conftest import SHARED
from artpipe_tests.fixtures.iiif_files import SERVICE, SITE, canvas, collection, image, manifest, pair, service
from artpipe_tests.fixtures.killed import Killed
from artpipe_tests.fixtures.loopback_gallery import Reply


@pytest.fixture
def folder(tmp_path) -> UPath:
    return UPath(tmp_path / "raw")


@pytest.fixture
def publish(gallery):
    """`publish(**files)`: each path is served as JSON with an ETag, and as 304 to who has it."""

    def on(files: dict[str, object]) -> None:
        for name, value in files.items():
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            tag = f'"{hash(body)}"'

            def write(handler, body=body, tag=tag) -> None:
                same = handler.headers.get("If-None-Match") == tag
                handler.send_response(304 if same else 200)
                handler.send_header("ETag", tag)
                if not same:
                    handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(b"" if same else body)

            gallery.on(f"/{name}", Reply(write=write))

    return on


@pytest.fixture
def harvest(config, folder):
    """`harvest(name, ...) -> (rows, counts)`: download and read a source of one address below the site."""

    def run(*names: str, progress: Progress | None = None, **fields) -> tuple[SourceRows, object]:
        source = IiifSource(name="museum", url=tuple(f"{SITE}/{name}" for name in names), **fields)
        with GalleryClient(config) as client:
            source.download(client, folder, progress or SilentProgress())
            return source.read(folder), client.counts

    return run


def ids(found: SourceRows) -> list[str]:
    return [source_id.rsplit("/", 1)[1] for source_id in found.rows["source_id"]]


def test_a_manifest_is_a_source_of_one_row(publish, harvest):
    publish({"a": manifest("a", metadata=[{"label": "Movement", "value": "Baroque"}])})
    found, _ = harvest("a", labels={"movement": "Movement"})
    assert found.rows.schema == pl.Schema({**ROWS, "label.movement": pl.List(pl.String)})
    assert found.rows["title"].to_list() == ["a"]
    assert found.rows["label.movement"].to_list() == [["Baroque"]]
    assert found.quarantine.is_empty()
    assert found.notes == ()


def test_each_canvas_is_a_work_where_the_manifest_is_a_selection(publish, harvest):
    first = canvas(image(), label="Pears", id=f"{SITE}/canvas/1", metadata=[pair("Artist", "Bo"), pair("Date", "1650")])
    second = canvas(image(f"{SITE}/b"), label="Plums", metadata=[pair("Artist", "Ann")])
    publish({"a": manifest("a", first, second, metadata=[pair("Date", "1899"), pair("Medium", "oil")])})
    found, _ = harvest("a", works="canvases")
    rows = [
        (row["source_id"], row["title"], row["artists"][0]["name"], row["medium"], len(row["images"]))
        for row in found.rows.to_dicts()
    ]
    assert rows == [
        ("iiif.example/canvas/1", "Pears", "Bo", "oil", 1),
        ("iiif.example/a#2", "Plums", "Ann", "oil", 1),
    ]
    assert found.rows["work_id"].to_list() == found.rows["source_id"].to_list()
    assert found.rows["date_text"].to_list() == ["1650", "1899"]


def test_collections_are_followed_into_collections_and_pages(publish, harvest):
    inner = {"id": f"{SITE}/inner", "type": "Collection"}
    written_out = {"@id": f"{SITE}/out", "@type": "sc:Collection", "manifests": [{"@id": f"{SITE}/d"}]}
    publish(
        {
            "top": collection("top", "a", inner, written_out),
            "inner": {"@id": f"{SITE}/inner", "@type": "sc:Collection", "first": f"{SITE}/page1", "total": 2},
            "page1": {"@type": "sc:Collection", "manifests": [{"@id": f"{SITE}/b"}], "next": f"{SITE}/page2"},
            "page2": {"@type": "sc:Collection", "members": [{"@id": f"{SITE}/c", "@type": "sc:Manifest"}]},
            **{name: manifest(name) for name in "abcd"},
        }
    )
    found, _ = harvest("top")
    assert sorted(ids(found)) == ["a", "b", "c", "d"]


def test_the_volumes_of_a_work_in_parts_are_one_work(publish, harvest):
    publish({"top": collection("top", "a", "b", behavior=["multi-part"]), "a": manifest("a"), "b": manifest("b")})
    assert harvest("top")[0].rows["work_id"].to_list() == ["iiif.example/top", "iiif.example/top"]


def test_an_unchanged_collection_costs_conditional_requests_only(publish, harvest, folder):
    publish({"top": collection("top", "a", "b"), "a": manifest("a"), "b": manifest("b")})
    first, _ = harvest("top")
    index = (folder / "index.json").read_bytes()
    second, counts = harvest("top")
    assert (counts.bodies, counts.not_modified) == (0, 3)
    assert second.rows.equals(first.rows)
    assert (folder / "index.json").read_bytes() == index


def test_what_left_the_collection_leaves_the_rows_and_the_folder(publish, harvest, folder):
    publish({"top": collection("top", "a", "b"), "a": manifest("a"), "b": manifest("b")})
    harvest("top")
    files = len(list(folder.iterdir()))
    publish({"top": collection("top", "b")})
    assert ids(harvest("top")[0]) == ["b"]
    assert len(list(folder.iterdir())) == files - 2


def test_a_manifest_that_is_gone_is_in_quarantine_and_the_rest_goes_on(publish, harvest):
    publish({"top": collection("top", "a", "gone", "b"), "a": manifest("a"), "b": manifest("b")})
    found, _ = harvest("top")
    assert ids(found) == ["a", "b"]
    assert found.quarantine.rows() == [(2, "the gallery answered 404", f"{SITE}/gone")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!doctype html><title>Sorry</title>", "a web page or XML"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\x00", "is not JSON"),
        (b"[]", "no object"),
        (b"{}", "JSON without a type"),
        (b'{"type": "Canvas"}', "of type 'Canvas'"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_manifest_is_in_quarantine_or_refused_at_the_address_of_the_source(publish, harvest, body, reason):
    publish({"top": collection("top", "a", "bad"), "a": manifest("a"), "bad": body})
    [(_, told, raw)] = harvest("top")[0].quarantine.rows()
    assert reason in told
    assert raw == f"{SITE}/bad"
    with pytest.raises(UnreadableIiifError, match="could not be read") as refused:
        harvest("bad")
    assert reason in str(refused.value)


def test_a_manifest_that_goes_takes_its_stored_copy_along(publish, harvest, gallery):
    publish({"top": collection("top", "a", "b"), "a": manifest("a"), "b": manifest("b")})
    harvest("top")
    gallery.on("/b", Reply(404))
    found, _ = harvest("top")
    assert (ids(found), found.quarantine["raw"].to_list()) == (["a"], [f"{SITE}/b"])


def test_an_error_page_does_not_take_the_place_of_a_manifest(publish, harvest):
    publish({"top": collection("top", "a"), "a": manifest("a")})
    before, _ = harvest("top")
    publish({"a": b"<html>under repair</html>"})
    after, _ = harvest("top")
    assert after.rows.equals(before.rows)
    assert after.notes == (f"1 files could not be asked for again, and are as they were, such as in {SITE}/a",)


def test_a_source_that_fails_leaves_what_the_folder_held(publish, harvest, folder, gallery):
    publish({"top": collection("top", "a"), "a": manifest("a")})
    harvest("top")
    gallery.on("/top", Reply(404))
    with pytest.raises(UnreadableIiifError, match="404"):
        harvest("top")
    assert ids(IiifSource(name="m", url=f"{SITE}/top").read(folder)) == ["a"]


def test_a_collection_that_contains_itself_is_read_once_and_said(publish, harvest):
    itself = {"id": f"{SITE}/top", "type": "Collection"}
    publish({"top": collection("top", "a", itself), "a": manifest("a")})
    found, _ = harvest("top")
    assert ids(found) == ["a"]
    assert "contain themselves" in found.notes[0]


def test_collections_more_than_ten_deep_are_in_quarantine(publish, harvest):
    for depth in range(13):
        below = {"id": f"{SITE}/c{depth + 1}", "type": "Collection"}
        publish({f"c{depth}": collection(f"c{depth}", f"m{depth}", below), f"m{depth}": manifest(f"m{depth}")})
    found, _ = harvest("c0")
    assert sorted(ids(found)) == sorted(f"m{depth}" for depth in range(10))
    assert set(found.quarantine["raw"]) == {f"{SITE}/m10", f"{SITE}/c11"}
    assert "more than 10 collections deep" in found.quarantine["reason"][0]


def test_relative_ids_count_from_the_collection_and_a_missing_one_is_in_quarantine(publish, harvest):
    members = [{"id": "sub/a", "type": "Manifest"}, {"type": "Manifest", "label": {"en": ["no id"]}}]
    publish({"list/top": {"type": "Collection", "items": members}, "list/sub/a": manifest("a")})
    found, _ = harvest("list/top")
    assert ids(found) == ["a"]
    assert found.quarantine["reason"].to_list() == [f"member 2 of {SITE}/list/top has no address (`id`)"]


def test_a_killed_download_asks_conditionally_for_what_it_had_got(publish, harvest, folder):
    publish({"top": collection("top", *"abcd"), **{name: manifest(name) for name in "abcd"}})
    with pytest.raises(KeyboardInterrupt):
        harvest("top", progress=Killed())
    with pytest.raises(UnreadableIiifError, match="artpipe refresh"):
        IiifSource(name="m", url=f"{SITE}/top").read(folder)
    found, counts = harvest("top")
    assert (counts.not_modified, counts.bodies) == (3, 2)
    assert ids(found) == ["a", "b", "c", "d"]


def test_a_torn_index_is_not_taken_for_an_empty_source(publish, harvest, folder):
    publish({"top": collection("top", "a"), "a": manifest("a")})
    harvest("top")
    (folder / "index.json").write_bytes(b"{")
    with pytest.raises(UnreadableIiifError, match="artpipe refresh"):
        IiifSource(name="m", url=f"{SITE}/top").read(folder)
    assert ids(harvest("top")[0]) == ["a"]


class EndlessSite:
    """A client of a site whose pages have JSON of `page(number)`; each other address is a manifest."""

    def __init__(self, page) -> None:
        self.page, self.asked = page, list[str]()

    def get_many(self, requests):
        for request in requests:
            self.asked.append(request.url)
            name = request.url.removeprefix(f"{SITE}/")
            value = self.page(int(name[1:])) if name[0] == "p" else manifest(name)
            yield request, Response(Outcome.OK, 200, json.dumps(value).encode())


def endless(folder, page, **fields) -> tuple[SourceRows, int]:
    """What is read of such a site, and how many pages were asked for."""
    site, source = EndlessSite(page), IiifSource(name="m", url=f"{SITE}/p0", **fields)
    source.download(site, folder, SilentProgress())
    return source.read(folder), sum("/p" in url for url in site.asked)


def a_page(members, key="next"):
    return lambda number: {**collection(f"p{number}", *members(number)), key: f"{SITE}/p{number + 1}"}


@pytest.mark.parametrize("key", ["next", "first"])
def test_an_endless_collection_is_left_at_the_limit_and_what_it_named_is_kept(folder, key):
    found, pages = endless(folder, a_page(lambda number: [f"m{number}"], key), max_pages=4)
    assert (ids(found), pages) == (["m0", "m1", "m2", "m3"], 5)
    assert "more than 4 (`max_pages`), and left out; raise it" in found.notes[0]


@pytest.mark.parametrize("members", [["a", "b"], []])
def test_pages_of_a_collection_that_name_nothing_new_end_it(folder, members):
    found, pages = endless(folder, a_page(lambda number: ["first", *members] if number == 0 else members))
    assert (sorted(ids(found)), pages) == (sorted(["first", *members]), 3 if members else 2)
    assert "name nothing new" in found.notes[0]


def test_a_first_page_may_repeat_what_is_written_out_in_its_collection(publish, harvest):
    page = {**collection("page1", "a"), "next": f"{SITE}/page2"}
    publish({"top": {"id": f"{SITE}/top", "type": "Collection", "first": page}, "page1": page,
             "page2": collection("page2", "b"), "a": manifest("a"), "b": manifest("b")})  # fmt: skip
    assert sorted(ids(harvest("top")[0])) == ["a", "b"]


def stream_page(changes):
    def page(number):
        items = [activity("Create", name, 28 - number) for name in changes(number)]
        if number == 0:
            return {"type": "OrderedCollection", "last": {"id": f"{SITE}/p1"}}
        return {"type": "OrderedCollectionPage", "orderedItems": items, "prev": {"id": f"{SITE}/p{number + 1}"}}

    return page


def test_an_endless_stream_is_left_at_the_limit_and_asked_whole_again_where_that_is_raised(folder):
    page = stream_page(lambda number: [f"m{number}"])
    found, pages = endless(folder, page, max_pages=3)
    assert (sorted(ids(found)), pages) == (["m1", "m2", "m3"], 4)
    assert "(`max_pages`)" in found.notes[0]
    assert sorted(ids(endless(folder, page, max_pages=5)[0])) == ["m1", "m2", "m3", "m4", "m5"]


def test_pages_of_a_stream_that_tell_nothing_new_end_it(folder):
    found, pages = endless(folder, stream_page(lambda number: ["m1"] if number == 1 else []))
    assert (ids(found), pages) == (["m1"], 3)
    assert "tell nothing new" in found.notes[0]


class Site:
    """A client of a site in memory."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, list[str]()

    def get_many(self, requests):
        for request in requests:
            self.asked.append(request.url)
            body = self.files.get(request.url.removeprefix(f"{SITE}/"))
            yield request, Response(Outcome.GONE, 404, error="404") if body is None else Response(Outcome.OK, 200, body)


NAMES = st.sampled_from("abcdefg")
MEMBERS = st.builds(
    lambda name, kind: {"id": f"{SITE}/{name}", "type": kind}, NAMES, st.sampled_from(["Manifest", "Collection"])
)
LISTED = st.lists(MEMBERS | st.just({"type": "Manifest"}) | st.none() | NAMES, max_size=4)
COLLECTIONS = st.builds(
    lambda members, following: {"type": "Collection", "items": members, "next": following},
    LISTED, st.none() | NAMES.map(lambda name: f"{SITE}/{name}"),
)  # fmt: skip
FILES = st.one_of(COLLECTIONS, st.builds(manifest, NAMES), st.just({"type": "Range"})).map(
    lambda value: json.dumps(value).encode()
)


@given(top=COLLECTIONS, files=st.dictionaries(NAMES, FILES | st.just(b"<html>")))
def test_whatever_collections_name_each_address_is_asked_once_and_ends_as_a_row_or_in_quarantine(
    tmp_path_factory, top, files
):
    site = Site({**files, "top": json.dumps(top).encode()})
    folder = UPath(tmp_path_factory.mktemp("raw"))
    source = IiifSource(name="m", url=f"{SITE}/top")
    source.download(site, folder, SilentProgress())
    found = source.read(folder)
    assert len(site.asked) == len(set(site.asked))
    is_manifest = {name for name, body in files.items() if b'"Manifest"' in body and b'"Collection"' not in body}
    asked = {url.removeprefix(f"{SITE}/") for url in site.asked}
    assert sorted(ids(found)) == sorted(is_manifest & asked)
    named = {raw.removeprefix(f"{SITE}/") for raw in found.quarantine["raw"]}
    assert {name for name in asked if name not in files or files[name].startswith((b"<", b'{"type": "Range"'))} - {
        "top"
    } <= named


def test_a_host_that_fails_again_and_again_is_left_alone(publish, harvest, gallery):
    names = [f"m{number}" for number in range(2 * MAX_FAILURES)]
    publish({"top": collection("top", *names)})
    for name in names:
        gallery.on(f"/{name}", Reply(500))
    with pytest.raises(UnreadableIiifError, match=f"{MAX_FAILURES} requests in a row failed"):
        harvest("top")


def test_image_services_are_asked_for_their_size_where_that_is_wanted(publish, harvest):
    info = {
        "@context": "http://iiif.io/api/image/3/context.json",
        **service(level=2, width=9000, height=6000, maxWidth=700),
    }
    publish({"a": manifest("a", canvas(image()), canvas(image(f"{SITE}/none"))), "image/pears/info.json": info})
    found, _ = harvest("a", info=True)
    images = found.rows["images"][0].to_list()
    assert [(each["width_px"], each["max_width_px"]) for each in images] == [(9000, 700), (3000, None)]
    assert "1 image services did not say their size" in found.notes[0]
    again, counts = harvest("a", info=True)
    assert counts.bodies == 0
    assert again.rows.equals(found.rows)


@pytest.mark.parametrize("url", ["museum.example/manifest", "ftp://museum.example", "file:///etc/passwd", "", ()])
def test_an_address_that_cannot_be_asked_is_refused(url):
    with pytest.raises(ValidationError):
        IiifSource(name="m", url=url)


def test_the_hosts_of_a_source_are_those_of_its_addresses():
    source = IiifSource(name="m", url=("https://a.example/1", "https://b.example:8000/2", "https://a.example/3"))
    assert source.hosts == ("a.example", "b.example:8000")


def activity(kind: str, name: str, ended: int, **more) -> dict:
    subject = {"id": f"{SITE}/{name}", "type": more.pop("of", "Manifest")}
    return {"type": kind, "object": subject, "endTime": f"2026-01-{ended:02d}T00:00:00Z", **more}


def stream(*pages: list[dict]) -> dict:
    """The files of a stream of changes."""
    files = {"stream": {"id": f"{SITE}/stream", "type": "OrderedCollection", "last": {"id": f"{SITE}/p{len(pages)}"}}}
    for number, items in enumerate(pages, start=1):
        page = {"type": "OrderedCollectionPage", "orderedItems": items}
        files[f"p{number}"] = {**page, "prev": {"id": f"{SITE}/p{number - 1}"}} if number > 1 else page
    return {**files, **{name: manifest(name) for name in "abcde"}}


FIRST = [activity("Create", "a", 1), activity("Create", "b", 2), activity("Create", "top", 2, of="Collection")]


def test_a_stream_of_changes_names_what_is_there_now(publish, harvest):
    publish(stream(FIRST, [activity("Create", "c", 3), activity("Delete", "b", 4), activity("Update", "a", 5)]))
    found, _ = harvest("stream")
    assert dict(found.rows.select("title", "modified").rows()) == {
        "a": "2026-01-05T00:00:00Z",
        "c": "2026-01-03T00:00:00Z",
    }


def test_later_only_what_changed_since_is_asked_for(publish, harvest, gallery):
    publish(stream(FIRST, [activity("Create", "c", 3), activity("Create", "d", 4)]))
    first, _ = harvest("stream")
    gallery.seen.clear()
    assert harvest("stream")[0].rows.equals(first.rows)
    # The change of the very last moment may have been followed by another in it.
    assert sorted(gallery.seen) == ["/d", "/p2", "/robots.txt", "/stream"]
    publish(
        stream(
            FIRST,
            [activity("Create", "c", 3), activity("Create", "d", 4)],
            [activity("Update", "c", 6), activity("Remove", "a", 7),
             activity("Move", "b", 8, target={"id": f"{SITE}/e", "type": "Manifest"})],
        )
    )  # fmt: skip
    publish({"c": manifest("c", label={"en": ["c again"]})})
    gallery.seen.clear()
    found, _ = harvest("stream")
    assert sorted(found.rows["title"]) == ["c again", "d", "e"]
    assert "/a" not in gallery.seen
    assert "/p1" not in gallery.seen


def test_a_refresh_of_the_stream_names_everything_anew(publish, harvest):
    publish(stream([activity("Create", "a", 1), {"type": "Refresh", "startTime": "2026-01-02T00:00:00Z"},
                    activity("Update", "b", 3)]))  # fmt: skip
    found, _ = harvest("stream")
    assert found.rows["title"].to_list() == ["b"]


def test_before_a_refresh_of_the_stream_only_removals_count(publish, harvest, gallery):
    publish(stream(FIRST))
    harvest("stream")
    again = {"type": "Refresh", "startTime": "2026-01-05T00:00:00Z"}
    changes = [activity("Update", "a", 3), activity("Delete", "b", 4), again, activity("Update", "c", 6)]
    publish(stream(FIRST, changes))
    gallery.seen.clear()
    assert sorted(harvest("stream")[0].rows["title"]) == ["a", "c"]
    assert "/a" not in gallery.seen


def test_a_manifest_of_a_stream_that_failed_is_asked_for_again(publish, harvest, gallery):
    publish(stream(FIRST, [activity("Update", "c", 5)]))
    gallery.on("/a", Reply(500))
    assert harvest("stream")[0].quarantine["raw"].to_list() == [f"{SITE}/a"]
    publish({"a": manifest("a")})
    assert sorted(harvest("stream")[0].rows["title"]) == ["a", "b", "c"]


def test_a_changed_manifest_of_a_stream_that_failed_keeps_its_old_copy_until_it_is_answered(publish, harvest, gallery):
    publish(stream(FIRST))
    harvest("stream")
    publish(stream(FIRST, [activity("Update", "a", 5), activity("Update", "c", 6)]))
    gallery.on("/a", Reply(500))
    for _ in range(2):
        assert sorted(harvest("stream")[0].rows["title"]) == ["a", "b", "c"]
    publish({"a": manifest("a", label={"en": ["a again"]})})
    assert sorted(harvest("stream")[0].rows["title"]) == ["a again", "b", "c"]
    gallery.seen.clear()
    harvest("stream")
    assert "/a" not in gallery.seen


COOKBOOK = {
    "0001-mvm-image/manifest.json": (1, None, None),
    "0004-canvas-size/manifest.json": (1, None, None),
    "0005-image-service/manifest.json": (1, 3, None),
    "0006-text-language/manifest.json": (1, 3, None),
    "0007-string-formats/manifest.json": (1, 3, True),
    "0008-rights/manifest.json": (1, 3, True),
    "0009-book-1/manifest.json": (5, 3, None),
    "0030-multi-volume/manifest_v1.json": (5, 3, None),
    "0030-multi-volume/manifest_v2.json": (5, 3, None),
    "0032-collection/manifest-01.json": (1, 3, None),
    "0032-collection/manifest-02.json": (1, 3, None),
    "0033-choice/manifest.json": (1, 3, None),
    "0035-foldouts/manifest.json": (9, 3, None),
    "0036-composition-from-multiple-images/manifest.json": (2, 3, None),
    "0057-publishing-v2-and-v3/manifest-v2.json": (1, None, None),
    "0057-publishing-v2-and-v3/manifest-v3.json": (1, None, None),
    "0117-add-image-thumbnail/manifest.json": (1, 3, None),
    "0118-multivalue/manifest.json": (1, None, None),
    "0230-navdate/navdate_map_1-manifest.json": (1, 3, None),
    "0230-navdate/navdate_map_2-manifest.json": (1, 3, None),
    "0283-missing-image/manifest.json": (3, 3, None),
    "0299-region/manifest.json": (1, None, None),
}
"""What each manifest of the cookbook becomes: its images, the version of their service, whether it is open."""


@pytest.mark.shared
def test_the_cookbook_is_read(gallery, harvest):
    recipes = SHARED / "catalogues" / "iiif"
    if not recipes.is_dir():
        pytest.skip(f"the cookbook is not at {recipes}")
    files = {str(file.relative_to(recipes)): file for file in sorted(recipes.rglob("*.json"))}
    for name, file in files.items():
        gallery.on(f"/{name}", Reply(200, file.read_bytes()))
    found, _ = harvest(*files, languages=("en", "fr"))
    rows = {row["source_id"].removeprefix("iiif.example/recipe/"): row for row in found.rows.to_dicts()}
    assert found.quarantine.is_empty()
    assert found.notes == (
        "1 canvases without an image, such as in https://iiif.example/recipe/0283-missing-image/manifest.json",
    )
    assert {
        name: (len(row["images"]), row["images"][0]["service_version"], row["is_open"]) for name, row in rows.items()
    } == COOKBOOK
    assert all(row["title"] for row in rows.values())
    assert rows["0032-collection/manifest-01.json"]["artists"][0]["born"] == 1836
    assert rows["0230-navdate/navdate_map_1-manifest.json"]["date_text"] == "1987"
    region, detail = (
        rows[f"{name}/manifest.json"]["images"][-1] for name in ("0299-region", "0036-composition-from-multiple-images")
    )
    assert "/1768,2423,1768,2080/" in region["url"]
    assert detail["role"] == "detail"
    asked = [
        image_address(
            each["service"],
            each["service_version"],
            each["width_px"],
            each["height_px"],
            short_side_px=320,
            max_width=each["max_width_px"],
            max_area=each["max_area_px"],
        )
        for row in rows.values()
        for each in row["images"]
        if each["service"]
    ]
    assert len(asked) == sum(images for images, version, _ in COOKBOOK.values() if version)
    assert all(re.search(r"[^/]/full/[0-9]+,/0/default.jpg$", url) for url in asked)
    v2, v3 = (rows[f"0057-publishing-v2-and-v3/manifest-v{version}.json"] for version in (2, 3))
    assert v2["work_id"] == v3["work_id"]


def test_services_of_a_stream_are_kept_between_its_changes(publish, harvest):
    publish(stream([activity("Create", "a", 1)], [activity("Create", "b", 2)]))
    info = {"@context": "http://iiif.io/api/image/3/context.json", **service(SERVICE, 2, width=9000, height=6000)}
    other = canvas(image(f"{SITE}/other"))
    publish({"image/pears/info.json": info, "b": manifest("b", other), "other/info.json": {**info, "width": 8000}})
    harvest("stream", info=True)
    found, _ = harvest("stream", info=True)
    assert [row[0]["width_px"] for row in found.rows["images"].to_list()] == [9000, 8000]
