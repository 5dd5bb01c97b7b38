"""Labels corrected and pairs judged in the page: who may, what is written, and how it is taken back."""

import csv
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import polars as pl
import pytest
from fastapi.testclient import TestClient

from artpipe.evaluation.suspects import SUSPECTS
from artpipe.lake.parquet import read_table, write_table
from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import ARTWORKS, splits_schema
from artpipe.settings import Settings
from artpipe.splits.overrides import OverrideFiles, write_label
from artpipe.tasks import WGA_TASKS
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig

SPLITS = splits_schema(WGA_TASKS)

KEY = "key-of-the-address"
TOKEN = "correct horse battery"  # noqa: S105
HOST = "http://127.0.0.1:8500"
SUSPECT, OTHER, THIRD = "d/durer/work000", "d/durer/work001", "h/hals/work004"
PLAIN = {"year_from": 1500, "year_to": 1500, "date_flags": []}


@pytest.fixture
def lake(own_lake: DataLake) -> DataLake:
    """Twelve works with their catalogue and splits, three suspect labels and one suggested pair."""
    write_doubts(own_lake)
    return own_lake


def write_doubts(lake: DataLake) -> None:
    """Give a lake of works a catalogue and splits, three suspect labels and one suggested pair."""
    works = read_works(lake)
    artworks = [dict.fromkeys(ARTWORKS) | PLAIN | {name: work[name] for name in LABELLED} for work in works]
    write_table(lake.table("artworks"), pl.DataFrame(artworks, schema=ARTWORKS))
    splits = [dict.fromkeys(SPLITS) | {"split": "train"} | {name: work[name] for name in IN_SPLITS} for work in works]
    for name in ("splits", "training_set"):
        write_table(lake.table(name), pl.DataFrame(splits, schema=SPLITS))
    suspects = [
        dict.fromkeys(SUSPECTS)
        | {"artwork_id": name, "task": task, "label": label, "suggested": suggested, "rank": rank}
        | {"suggested_probability": 0.91}
        for name, task, label, suggested, rank in (
            (SUSPECT, "type", "portrait", "genre", 1),
            (OTHER, "type", "landscape", "portrait", 2),
            (THIRD, "style", "Baroque", "Rococo", 1),
        )
    ]
    write_table(lake.table("suspect_labels"), pl.DataFrame(suspects, schema=SUSPECTS))
    pairs = f"left,right,by,reason,at\n{SUSPECT},{OTHER},model 3fa9,the same picture: similarity 0.97,2026-11-01\n"
    write_whole(lake.report("evaluation/same_work_suggestions.csv"), pairs.encode())


LABELLED = ("artwork_id", "title", "artist", "style", "type")
IN_SPLITS = ("artwork_id", "work_id", "artist_id", "style", "period", "type", "jpeg_sha256")


def read_works(lake: DataLake) -> list[dict[str, object]]:
    from artpipe.embedding.table import EmbeddingTable

    return EmbeddingTable(lake).read().to_dicts()


@pytest.fixture
def files(lake: DataLake) -> OverrideFiles:
    return OverrideFiles.from_settings(Settings(lake=str(lake.root)))


@pytest.fixture
def serve(lake: DataLake, files: OverrideFiles, colour_model) -> Callable[..., object]:
    """Opens the app with an editing mode, as a visitor of this machine by default."""

    @contextmanager
    def opened(mode: str, host: str = HOST, client: str = "127.0.0.1") -> Iterator[TestClient]:
        config = WebConfig(editing=mode, editing_key=KEY, overrides=files)
        app = create_app(lake, config, encoder=colour_model)
        # Outside of `with`: corrections need neither the model nor the processes that decode pictures.
        yield TestClient(app, base_url=host, client=(client, 50000), follow_redirects=False)

    return opened


@pytest.fixture
def editor(serve) -> Iterator[TestClient]:
    with serve("loopback") as visitor:
        visitor.get(f"/corrections?key={KEY}")
        yield visitor


def form_of(page: httpx.Response, action: str = "decide") -> dict[str, str]:
    """The hidden fields of a form on a page."""
    html = page.text.partition(f'action="/corrections/{action}"')[2].partition("</form>")[0]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', html))


def post(visitor: TestClient, action: str, fields: dict[str, str], **headers: str) -> httpx.Response:
    origin = {"origin": str(visitor.base_url).rstrip("/")}
    return visitor.post(f"/corrections/{action}", data=fields, headers=origin | headers)


def decide(visitor: TestClient, answer: str, query: str = "", reason: str = "") -> httpx.Response:
    """Answer what a page of the queue asks."""
    page = visitor.get(f"/corrections{query}")
    return post(visitor, "decide", form_of(page) | {"answer": answer, "reason": reason})


def rows(file: str) -> list[dict[str, str]]:
    path = Path(file)
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["", "/editor", "/decide", "/undo", "/remove"])
def test_by_default_the_pages_do_not_exist(client: TestClient, action: str):
    answer = client.post(f"/corrections{action}", headers={"origin": "http://testserver"}) if action else None
    assert (answer or client.get("/corrections")).status_code == 404
    assert "/corrections" not in client.get("/").text


def test_the_setting_is_off_by_default_and_never_shown():
    assert Settings().web_editing.get_secret_value() == "off"
    shown = repr(Settings(web_editing=TOKEN)) + repr(WebConfig.from_settings(Settings(web_editing=TOKEN), "127.0.0.1"))
    assert TOKEN not in shown
    with pytest.raises(ValueError, match="at least 16 characters") as refused:
        Settings(web_editing="short secret")
    assert "short secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "client", "headers"),
    [
        (HOST, "192.0.2.7", {}),
        ("http://art.example", "127.0.0.1", {}),
        (HOST, "127.0.0.1", {"x-forwarded-for": "192.0.2.7"}),
        (HOST, "127.0.0.1", {"forwarded": "for=192.0.2.7"}),
    ],
)
def test_on_loopback_only_browsers_of_this_machine_are_editors(serve, host: str, client: str, headers: dict[str, str]):
    with serve("loopback", host, client) as visitor:
        assert visitor.get(f"/corrections?key={KEY}", headers=headers).status_code == 404


def test_on_loopback_pages_link_to_the_corrections_for_the_editor_alone(serve, editor: TestClient):
    pages = ("/", "/works/d/durer/work001")
    assert all('href="/corrections' in editor.get(page).text for page in pages)
    passed_on = ({"x-forwarded-for": "192.0.2.7"}, {"x-forwarded-host": "art.example"}, {"via": "1.1 proxy"})
    assert not any("/corrections" in editor.get(pages[0], headers=headers).text for headers in passed_on)
    with serve("loopback") as stranger:  # whom a proxy on this machine may pass on without a trace
        assert not any("/corrections" in stranger.get(page).text for page in pages)


def test_on_loopback_the_printed_address_makes_an_editor(serve):
    with serve("loopback") as editor:
        # A proxy on this machine may pass a stranger's request on as if it came from here.
        for address in ("/corrections", "/corrections?key=another", "/corrections?key=%C3%A9"):
            assert editor.get(address).status_code == 403
        assert post(editor, "editor", {"name": "stranger"}).status_code == 403
        assert editor.get("/corrections", headers={"cookie": b"artpipe-editor=a.\xe9"}).status_code == 403
        admitted = editor.get(f"/corrections?key={KEY}")
        assert (admitted.status_code, admitted.headers["location"]) == (303, "/corrections")
        cookie = admitted.headers["set-cookie"]
        assert editor.get("/corrections").status_code == 200
        assert 'href="/corrections"' in editor.get("/").text
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/;"))


def test_without_the_token_nothing_is_shown_or_written(serve, files: OverrideFiles):
    with serve(TOKEN, "https://art.example", "192.0.2.7") as visitor:
        page = visitor.get("/corrections")
        assert "Token" in page.text
        assert "Colour no." not in page.text
        fields = {"artwork_id": SUSPECT, "task": "type", "answer": "genre"}
        assert post(visitor, "decide", fields).status_code == 403
        assert post(visitor, "undo", {}).status_code == 403
        assert post(visitor, "editor", {"name": "anna", "token": "a guess of some length"}).status_code == 403
        visitor.cookies.set("artpipe-editor", "YW5uYQp4.0000", domain="art.example")
        assert post(visitor, "decide", fields).status_code == 403
    assert rows(files.labels) == []


def test_who_types_the_token_is_an_editor_by_name(serve, files: OverrideFiles):
    with serve(TOKEN, "https://art.example", "192.0.2.7") as visitor:
        admitted = post(visitor, "editor", {"name": "  Anna\n Müller ", "token": TOKEN})
        assert admitted.status_code == 303
        assert "Secure" in admitted.headers["set-cookie"]
        assert decide(visitor, "genre", "?task=type").status_code == 303
    assert [row["by"] for row in rows(files.labels)] == ["Anna Müller"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_of_another_site_is_refused(editor: TestClient, files: OverrideFiles, headers: dict[str, str]):
    fields = form_of(editor.get("/corrections?task=type")) | {"answer": "genre"}
    assert post(editor, "decide", fields, **headers).status_code == 403
    assert rows(files.labels) == []


@pytest.mark.parametrize("form_token", ["", "0" * 64, "é"])
def test_a_form_without_its_token_is_refused(editor: TestClient, files: OverrideFiles, form_token: str):
    fields = form_of(editor.get("/corrections?task=type")) | {"answer": "genre", "form_token": form_token}
    assert post(editor, "decide", fields).status_code == 403
    assert rows(files.labels) == []


def test_the_form_token_of_one_editor_is_none_of_another(serve):
    with serve("loopback") as anna:
        anna.get(f"/corrections?key={KEY}")
        fields = form_of(anna.get("/corrections?task=type")) | {"answer": "genre"}
        anna.cookies.clear()
        anna.get(f"/corrections?key={KEY}")
        assert post(anna, "decide", fields).status_code == 403


def test_a_form_that_is_too_large_is_refused(editor: TestClient):
    fields = form_of(editor.get("/corrections?task=type")) | {"answer": "genre", "reason": "x" * 9000}
    assert post(editor, "decide", fields).status_code == 413


# --- what is asked and written --------------------------------------------------------------------------------------


def test_the_queue_asks_about_the_likeliest_label_first_with_its_picture(editor: TestClient):
    page = editor.get("/corrections?task=type").text
    assert "Is the type “portrait”?" in page
    assert "says genre, with a probability of 91 %" in page
    assert f"/images/{SUSPECT}.jpg" in page
    assert "<kbd>1</kbd>" in page
    assert "Is the type “landscape”?" in editor.get("/corrections?task=type&skip=1").text
    assert "This is the end of the queue." in editor.get("/corrections?task=type&skip=2").text


def test_an_answer_is_a_line_of_the_same_file_that_the_command_line_writes(editor: TestClient, files: OverrideFiles):
    answered = decide(editor, "genre", "?task=type", reason="nobody  sits")
    assert answered.headers["location"] == "/corrections?kind=labels&skip=0&task=type"
    (row,) = rows(files.labels)
    assert (row["artwork_id"], row["task"], row["label"], row["reason"]) == (SUSPECT, "type", "genre", "nobody sits")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row["at"])
    page = editor.get("/corrections?task=type").text
    assert "Is the type “landscape”?" in page
    assert "type: genre, in the catalogue portrait" in page


def test_a_kept_label_and_an_unknown_one_leave_the_queue(editor: TestClient, files: OverrideFiles):
    decide(editor, "portrait", "?task=type")
    decide(editor, "", "?task=type")
    assert [row["label"] for row in rows(files.labels)] == ["portrait", ""]
    page = editor.get("/corrections?task=type").text
    assert "No suspect label is waiting" in page
    assert "confirmed" in page
    assert "left out" in page


def test_any_work_s_label_can_be_corrected(editor: TestClient, files: OverrideFiles):
    assert "/corrections?work=d/durer/work002&amp;task=type" in editor.get("/works/d/durer/work002").text
    page = editor.get("/corrections?work=d/durer/work002&task=type").text
    assert "/corrections?work=d/durer/work002&amp;task=style" in page
    assert "Is the style “Rococo”?" in editor.get("/corrections?work=d/durer/work002&task=style").text
    decide(editor, "Baroque", "?work=d/durer/work002&task=style")
    assert [(row["artwork_id"], row["label"]) for row in rows(files.labels)] == [("d/durer/work002", "Baroque")]
    assert editor.get("/corrections?work=nobody/nothing&task=style").status_code == 404


@pytest.mark.parametrize("fields", [{"answer": "gerne"}, {"artwork_id": "nobody/x"}, {"task": "kind"}])
def test_an_answer_that_is_no_label_is_refused(editor: TestClient, files: OverrideFiles, fields: dict[str, str]):
    good = form_of(editor.get("/corrections?task=type")) | {"answer": "genre"}
    assert post(editor, "decide", good | fields).status_code in (404, 422)
    assert rows(files.labels) == []


@pytest.mark.parametrize(("answer", "file"), [("same", "same_work"), ("different", "different_works")])
def test_a_suggested_pair_is_judged_once(editor: TestClient, files: OverrideFiles, answer: str, file: str):
    page = editor.get("/corrections?kind=pairs").text
    assert "Do both pictures show one work?" in page
    assert "similarity 0.97" in page
    decide(editor, answer, "?kind=pairs")
    written = {name: rows(getattr(files, name)) for name in ("same_work", "different_works")}
    assert [(row["left"], row["right"]) for row in written.pop(file)] == [(SUSPECT, OTHER)]
    assert list(written.values()) == [[]]
    assert "No pair is waiting" in editor.get("/corrections?kind=pairs").text


def test_the_page_says_what_a_refresh_will_do(editor: TestClient, lake: DataLake):
    assert "have every decision" in editor.get("/corrections").text
    decide(editor, "genre", "?task=type")
    decide(editor, "same", "?kind=pairs")
    page = re.sub(r"\s+", " ", editor.get("/corrections").text)
    assert "1 work gets another label and 1 pair becomes one work." in page
    assert "8.33 % of the training set will differ. The model is trained again" in page
    splits = read_table(lake, "splits")
    corrected = pl.when(pl.col("artwork_id") == SUSPECT).then(pl.lit("genre")).otherwise("type")
    write_table(lake.table("splits"), splits.with_columns(type=corrected, work_id=pl.lit(SUSPECT)))
    assert "have every decision" in editor.get("/corrections").text


# --- undo -----------------------------------------------------------------------------------------------------------


def test_undo_takes_one_decision_after_another_back(editor: TestClient, files: OverrideFiles):
    decide(editor, "genre", "?task=type")
    decide(editor, "same", "?kind=pairs")
    page = editor.get("/corrections")
    assert "are one work." in page.text
    assert post(editor, "undo", form_of(page, "undo")).status_code == 303
    assert rows(files.same_work) == []
    page = editor.get("/corrections")
    assert "is genre." in page.text
    post(editor, "undo", form_of(page, "undo"))
    assert rows(files.labels) == []
    assert post(editor, "undo", form_of(page, "undo")).status_code == 409


def test_undo_puts_back_what_another_person_had_written(editor: TestClient, files: OverrideFiles):
    earlier = {"artwork_id": SUSPECT, "task": "type", "label": "historical", "by": "otto", "reason": "", "at": ""}
    write_label(files, earlier)
    decide(editor, "genre", f"?work={SUSPECT}&task=type")
    page = editor.get("/corrections")
    post(editor, "undo", form_of(page, "undo"))
    assert [(row["label"], row["by"]) for row in rows(files.labels)] == [("historical", "otto")]


def test_undo_leaves_a_line_alone_that_somebody_changed_since(editor: TestClient, files: OverrideFiles):
    decide(editor, "genre", "?task=type")
    page = editor.get("/corrections")
    changed = {"artwork_id": SUSPECT, "task": "type", "label": "historical", "by": "otto", "reason": "", "at": ""}
    write_label(files, changed)
    answer = post(editor, "undo", form_of(page, "undo"))
    assert answer.status_code == 422
    assert "has changed since" in answer.text
    assert [row["label"] for row in rows(files.labels)] == ["historical"]


def test_any_decision_of_the_list_can_be_removed(editor: TestClient, files: OverrideFiles):
    write_label(files, {"artwork_id": SUSPECT, "task": "type", "label": "genre", "by": "", "reason": "", "at": ""})
    fields = form_of(editor.get("/corrections"), "remove")
    assert post(editor, "remove", fields).status_code == 303
    assert rows(files.labels) == []
    assert post(editor, "remove", fields).status_code == 409


def test_of_many_who_decide_at_once_nobody_s_line_is_lost(editor: TestClient, files: OverrideFiles):
    fields = form_of(editor.get("/corrections?task=type"))
    ids = [str(work["artwork_id"]) for work in read_works_of(files)]

    def answer(artwork_id: str) -> int:
        return post(editor, "decide", fields | {"artwork_id": artwork_id, "answer": "genre"}).status_code

    with ThreadPoolExecutor(8) as pool:
        by_cli = [
            pool.submit(write_label, files, {"artwork_id": one, "task": "style", "label": "Rococo", **SIGNED})
            for one in ids
        ]
        assert set(pool.map(answer, ids)) == {303}
        for one in by_cli:
            one.result()
    assert sorted((row["artwork_id"], row["task"]) for row in rows(files.labels)) == sorted(
        (one, task) for one in ids for task in ("style", "type")
    )


SIGNED = {"by": "otto", "reason": "", "at": ""}


def read_works_of(files: OverrideFiles) -> list[dict[str, object]]:
    return read_works(DataLake(Path(files.labels).parents[1]))
