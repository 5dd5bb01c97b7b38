"""`artpipe sources`: presets are shown, a file of sources is checked, and a first one is written."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from artpipe.cli.main import app
from artpipe.sources.config import preset_names, read_sources_file

TABLE = """Inv.-Nr.;Künstler;Titel;Datierung;Technik;Stil;Bild;Weblink;Lizenz
1;Anna Meier|Bo Kern;Äpfel;um 1890;Öl;Impressionismus;https://bilder.example/1.jpg;https://museum.example/1;CC0
2;Anna Meier;Birnen;1891;Öl;Impressionismus;https://bilder.example/2.jpg;https://museum.example/2;CC0
3;Cara Lenz;Selbst;1901;Pastell;Jugendstil;;https://museum.example/3;
3;Cara Lenz;Nochmals;1901;Pastell;Jugendstil;;https://museum.example/3;
kaputt;nur zwei
"""
SOURCES = """
sources:
  - name: museum
    adapter: table
    path: {path}
    columns: {{source_id: Inv.-Nr., title: Titel, artists: Künstler, date_text: Datierung, images: Bild,
              is_open: {{Lizenz: CC0}}}}
    labels: {{style: Stil}}
"""


@pytest.fixture
def museum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a museum's table and a file of sources."""
    folder = tmp_path / "museum"
    folder.mkdir()
    (folder / "works.csv").write_text(TABLE, encoding="cp1252")
    (folder / "sources.yaml").write_text(SOURCES.format(path="works.csv"))
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sources", *arguments])


def test_presets_are_listed_with_their_terms_and_pace_and_shown_whole():
    listed = json.loads(run("list", "--json").stdout)["presets"]
    assert [preset["name"] for preset in listed] == preset_names()
    assert all(preset[word] for preset in listed for word in ("title", "page", "terms", "pace", "tried"))
    assert all(name in run("list").stdout for name in preset_names())
    assert "adapter: table" in run("show", "tate").stdout
    result = run("show", "tat")
    assert (result.exit_code, "did you mean 'tate'?" in result.stderr) == (2, True)


@pytest.mark.usefixtures("museum")
def test_check_counts_what_is_read_and_touches_no_lake(tmp_path):
    result = run("check", "sources.yaml", "--json", "-n", "1")
    assert result.exit_code == 0, result.output
    [source] = json.loads(result.stdout)["sources"]
    [first] = source.pop("first")
    assert source == {
        "name": "museum",
        "rows": 3,
        "quarantined": 2,
        "with_image": 2,
        "open": 2,
        "years": [1890, 1901],
        "labels": {"style": {"Impressionismus": 2, "Jugendstil": 1}},
    }
    assert (first["source_id"], first["title"], first["labels"]) == ("1", "Äpfel", {"style": ["Impressionismus"]})
    assert first["images"] == [{"url": "https://bilder.example/1.jpg"}]
    assert not list(tmp_path.rglob("data_lake"))


def test_check_asks_an_api_about_the_first_rows_only(museum, gallery, reply):
    answers = f"    answers: {{api: {{url: '{gallery.url}/objects/{{Inv.-Nr.}}'}}}}\n    extra: [api.medium]\n"
    (museum / "sources.yaml").write_text(SOURCES.format(path="works.csv") + answers)
    gallery.on("/objects/1", reply(200, b'{"medium": "oil"}'))
    result = run("check", "sources.yaml", "-n", "1")
    assert result.exit_code == 0, result.output
    assert "note: answers.api: asked about the first 1 records only" in result.stdout
    assert [path for path in gallery.seen if "objects" in path] == ["/objects/1"]
    assert run("check", "sources.yaml", "-n", "0").exit_code == 0
    assert len([path for path in gallery.seen if "objects" in path]) == 1


@pytest.mark.usefixtures("museum")
def test_check_shows_people_why_records_could_not_be_read():
    shown = run("check", "sources.yaml").stdout
    assert "3 rows, 2 that could not be read, 2 with a picture, 2 open, 1890-1901" in shown
    assert "works.csv: line 6 has 2 fields instead of 9" in shown
    assert "row 5: the id 3 repeats that of row 4" in shown
    assert "style: Impressionismus 2, Jugendstil 1" in shown


def test_check_says_of_several_sources_only_together_whether_a_task_is_learned(museum):
    other = SOURCES.format(path="works.csv").replace("name: museum", "name: other").replace("sources:", "")
    tasks = "tasks:\n  - {name: style, min_works: 2}\n"
    (museum / "sources.yaml").write_text(SOURCES.format(path="works.csv") + other + tasks)
    result = run("check", "sources.yaml")
    assert result.exit_code == 0, result.output
    assert "style predicts 2 classes" in result.stdout
    assert "none is learned" not in result.stdout


def test_check_shows_nothing_of_a_row_that_has_neither_id_nor_title(museum):
    with (museum / "works.csv").open("a", encoding="cp1252") as table:
        table.write(";;;;;;;;Summe 3\n")
    said = run("check", "sources.yaml").stdout
    assert "it has no id" in said
    assert "''" not in said


def test_check_says_what_no_row_has(tmp_path):
    (tmp_path / "works.csv").write_text("id,title,maker\n1,Pears,\n2,Plums,\n")
    columns = {"source_id": "id", "title": "title", "artists": "maker"}
    source = {"name": "mine", "adapter": "table", "path": "works.csv", "columns": columns}
    (tmp_path / "sources.yaml").write_text(json.dumps({"sources": [source]}))
    said = CliRunner().invoke(app, ["sources", "check", str(tmp_path / "sources.yaml")]).stdout
    assert "note: no row has an artist: look whether `columns.artists` names the right column" in said
    assert "note: no row has a picture" in said


def test_check_says_that_one_class_is_nothing_to_learn_and_shows_a_few_of_many_pictures(tmp_path):
    pictures = "|".join(f"https://a.example/{number}.jpg" for number in range(500))
    (tmp_path / "works.csv").write_text(f"id,title,image,kind\n1,Pears,{pictures},oil\n2,Plums,,oil\n")
    columns = {"source_id": "id", "title": "title", "images": {"url": {"column": "image", "split": "|"}}}
    source = {"name": "mine", "adapter": "table", "path": "works.csv", "columns": columns, "labels": {"kind": "kind"}}
    content = {"sources": [source], "tasks": [{"name": "kind", "min_works": 1}]}
    (tmp_path / "sources.yaml").write_text(json.dumps(content))
    said = CliRunner().invoke(app, ["sources", "check", str(tmp_path / "sources.yaml")]).stdout
    assert "kind has one class only, so that there is nothing to learn: oil" in said
    assert "and 497 more" in said


def test_a_first_file_for_a_folder_of_pictures_can_be_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pictures/Cubism/a.png", "pictures/Rococo/b.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (60, 40), "red" if "Cubism" in name else "blue").save(tmp_path / name)
    assert run("new", "pictures").exit_code == 0
    [source] = json.loads(run("check", "sources.yaml", "--json").stdout)["sources"]
    assert source["labels"] == {"style": {"Cubism": 1, "Rococo": 1}}


@pytest.mark.usefixtures("museum")
def test_check_says_what_the_sources_make_together():
    said = run("check", "sources.yaml").stdout
    assert re.search(r"^The collection: [\d,]+ pictures and works without one, [\d,]+ to download", said, re.MULTILINE)
    assert re.search(r"^  \w+ predicts \d+ classes: ", said, re.MULTILINE)


def test_check_refuses_what_a_refresh_would_refuse_of_two_sources_together(tmp_path):
    columns, place = {"source_id": "id"}, "http://127.0.0.1:9"
    listed = [
        {
            "name": name,
            "adapter": "table",
            "path": f"{place}/{name}.csv",
            "headers": {"X-Key": name},
            "columns": columns,
        }
        for name in ("one", "two")
    ]
    (tmp_path / "both.yaml").write_text(json.dumps({"sources": listed}))
    result = run("check", str(tmp_path / "both.yaml"))
    assert result.exit_code == 2
    assert "one and two send the header X-Key to 127.0.0.1:9 with different values" in result.output


def test_a_source_that_cannot_be_read_is_said_beside_the_others(museum):
    broken = SOURCES.format(path="missing.csv").replace("\nsources:\n", "").replace("name: museum", "name: broken")
    (museum / "sources.yaml").write_text(SOURCES.format(path="works.csv") + broken)
    result = run("check", "sources.yaml", "--json")
    assert result.exit_code == 2
    assert [source["name"] for source in json.loads(result.stdout)["sources"]] == ["museum"]
    assert "error: broken: there is no file at" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing.yaml"], "missing.yaml cannot be read"),
        ([], "no file of sources is named"),
        (["works.csv"], "is not in UTF-8"),
    ],
)
@pytest.mark.usefixtures("museum")
def test_a_file_of_sources_that_cannot_be_taken_is_one_line(arguments, reason):
    result = run("check", *arguments)
    assert (result.exit_code, result.stderr.count("\n"), reason in result.stderr) == (2, 1, True)


@pytest.mark.usefixtures("museum")
def test_a_first_file_is_guessed_from_the_names_of_the_columns_and_can_be_checked():
    result = run("new", "works.csv", "-o", "new.yaml", "--name", "ours")
    assert result.exit_code == 0, result.output
    [source] = read_sources_file("new.yaml").without_secrets()["sources"]
    columns = source["columns"]
    assert source["path"].endswith("museum/works.csv")
    assert {name: columns[name]["column"] for name in ("source_id", "title", "date_text", "medium", "landing_url")} == {
        "source_id": "Inv.-Nr.",
        "title": "Titel",
        "date_text": "Datierung",
        "medium": "Technik",
        "landing_url": "Weblink",
    }
    assert columns["artists"] == [{"name": {"column": "Künstler", "split": "|"}}]
    assert columns["images"] == [{"url": {"column": "Bild"}}]
    assert source["labels"] == {"style": {"column": "Stil"}}
    assert "# is_open: {Lizenz: CC0}" in Path("new.yaml").read_text("utf-8")
    assert json.loads(run("check", "new.yaml", "--json").stdout)["sources"][0]["rows"] == 3
    assert "style: 0 of 2 classes have at least 20 works; lower `min_works`" in run("check", "new.yaml").stdout


def test_a_first_file_never_replaces_another(museum):
    before = (museum / "sources.yaml").read_text()
    result = run("new", "works.csv")
    assert (result.exit_code, "sources.yaml is there already" in result.stderr) == (2, True)
    assert (museum / "sources.yaml").read_text() == before


@pytest.mark.usefixtures("museum")
def test_a_table_on_the_web_is_guessed_and_checked_alike(gallery, reply):
    gallery.on("/works.csv", reply(200, TABLE.encode()))
    assert run("new", f"{gallery.url}/works.csv", "-o", "web.yaml").exit_code == 0
    assert json.loads(run("check", "web.yaml", "--json").stdout)["sources"][0]["rows"] == 3


NESTED = [
    {
        "id": number,
        "name": f"Work {number}",
        "creators": [{"name": "A"}],
        "images": {"web": {"url": f"http://x/{number}.jpg"}},
    }
    for number in range(3)
]


def test_nested_records_are_guessed_by_path(museum):
    (museum / "works.json").write_text(json.dumps({"data": [NESTED[0] | {"creators": []}, *NESTED]}))
    assert run("new", "works.json", "-o", "nested.yaml").exit_code == 0
    columns = read_sources_file("nested.yaml").without_secrets()["sources"][0]["columns"]
    assert columns["artists"] == [{"name": {"column": "creators[].name"}}]
    assert columns["images"] == [{"url": {"column": "images.web.url"}}]
    assert columns["title"] == {"column": "name"}
