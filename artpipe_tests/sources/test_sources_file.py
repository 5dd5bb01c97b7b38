"""The file of sources: what can be written, and what is said where it cannot be taken."""

import json
from pathlib import Path

import pytest

from artpipe.sources.config import (
    BadSourcesFileError,
    parse_sources,
    preset_names,
    preset_text,
    read_sources_file,
    sources_of,
)

OURS = """
sources:
  - name: ours
    adapter: table
    path: works.csv
    columns: {source_id: id, artists: artist, images: [url, {url: url2}], is_open: {license: CC0}}
    labels: {movement: {column: style, split: ';'}}
    where: {kind: {not: [print]}}
"""


def faults(text: str) -> list[str]:
    with pytest.raises(BadSourcesFileError) as caught:
        parse_sources(text, "ours.yaml", Path("/data"))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def with_line(*lines: str) -> str:
    return OURS + "".join(f"    {line}\n" for line in lines)


def test_relative_paths_count_from_the_file(tmp_path):
    (tmp_path / "ours.yaml").write_text(OURS + "tasks: [{name: movement, min_works: 5}]\n")
    found = read_sources_file(tmp_path / "ours.yaml")
    assert [source.model_dump()["path"] for source in found.sources] == [str(tmp_path / "works.csv")]
    assert [(task.name, task.min_works) for task in found.tasks or ()] == [("movement", 5)]


def test_what_is_kept_in_the_lake_makes_the_same_sources_and_holds_no_secret(monkeypatch):
    monkeypatch.setenv("MUSEUM_KEY", "s3cret")
    text = with_line("headers: {X-Key: 'key ${MUSEUM_KEY}'}") + "  - {preset: tate, path: t.csv}\n"
    found = parse_sources(text, "ours.yaml", Path("/data"))
    assert found.sources[0].headers["X-Key"].get_secret_value() == "key s3cret"
    kept = json.dumps(found.without_secrets())
    assert "s3cret" not in kept + repr(found)
    monkeypatch.delenv("MUSEUM_KEY")
    again = sources_of(json.loads(kept))
    assert again.without_secrets() == found.without_secrets()
    assert again.sources[1] == found.sources[1]
    assert again.tasks == found.tasks


def test_a_variable_that_is_not_set_is_named_and_only_headers_have_variables():
    [fault] = faults(with_line("headers: {X-Key: '${NO_SUCH_KEY}'}"))
    assert "'NO_SUCH_KEY', which is not set" in fault
    found = parse_sources(OURS.replace("works.csv", "${NO_SUCH_KEY}.csv"), "ours.yaml", Path("/data"))
    assert "${NO_SUCH_KEY}.csv" in str(found.without_secrets())


@pytest.mark.parametrize(
    ("key", "sent"), [("s3cret\n", "Key s3cret"), ("  s3cret\r\n", "Key s3cret"), ("sécret", "Key sécret")]
)
def test_a_secret_header_is_sent_without_the_white_space_at_its_ends(monkeypatch, key, sent):
    monkeypatch.setenv("MUSEUM_KEY", key)
    [source] = parse_sources(with_line("headers: {X-Key: ' Key ${MUSEUM_KEY}'}"), "ours.yaml", Path("/data")).sources
    assert source.headers["X-Key"].get_secret_value() == sent


@pytest.mark.parametrize(
    "key", ["s3\ncret", "s3\tcret", "s3\x00cret", "s3\x85cret", "s3\u2028cret", "s3-\u043a\u043b\u044e\u0447"]
)
def test_a_secret_header_that_cannot_be_sent_is_refused_without_its_value(monkeypatch, key):
    monkeypatch.setattr("os.environ", {"MUSEUM_KEY": key})
    [fault] = faults(with_line("headers: {X-Key: '${MUSEUM_KEY}'}"))
    assert "headers.X-Key cannot be sent" in fault
    assert "s3" not in fault


def test_a_header_that_has_no_name_of_one_is_refused():
    [fault] = faults(with_line('headers: {"X-Key: a\\r\\nHost": b}'))
    assert "cannot be the name of a header" in fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (with_line("colums: {}"), "sources[0].colums (line 9): no such key; did you mean 'columns'?"),
        (
            OURS.replace("source_id: id", "source_id: id, titel: t"),
            "sources[0].columns.titel (line 6): no such key; did you mean 'title'?",
        ),
        (
            OURS.replace("split: ';'", "splitt: ';'"),
            "sources[0].labels.movement.splitt (line 7): no such key; did you mean 'split'?",
        ),
        (
            OURS.replace("{url: url2}", "{url: url2, with_px: w}"),
            "sources[0].columns.images[1].with_px (line 6): no such key; did you mean 'width_px'?",
        ),
        (OURS.replace("not: [", "nott: ["), "sources[0].where.kind.nott (line 8): no such key; did you mean 'not'?"),
        (
            OURS.replace("works.csv", "https://anna:s3cret@museum.example/works.csv"),
            (
                "sources[0].path (line 5): an address may hold no login; send it by `headers`, "
                "as `Authorization: ${VARIABLE}`"
            ),
        ),
        (OURS.replace("source_id: id, ", ""), "sources[0].columns (line 6): 'source_id' is missing"),
        (OURS.replace("table", "tabel"), "sources[0] (line 3): adapter: there is no 'tabel'; did you mean 'table'?"),
        (OURS + "sorces: []\n", "sorces: no such key; did you mean 'sources'?"),
        (
            OURS + OURS.replace("\nsources:\n", ""),
            "sources[1].name (line 9): 'ours' is the name of two sources",
        ),
        (
            "sources: [{adapter: wga, name: a}, {adapter: wga, name: b}]",
            "sources: a and b are of the adapter `wga`; only one source can be",
        ),
        ("sources: [{preset: tat}]", "sources[0] (line 1): there is no preset 'tat'; did you mean 'tate'?"),
        *(
            (
                f"sources: [{{adapter: {word}, name: a}}]",
                f"sources[0] (line 1): adapter: there is no {said}",
            )
            for word, said in (
                ("[table]", "['table']; did you mean 'table'?"),
                ("{a: 1}", "{'a': 1}; there are table, folder, iiif, oai, wga"),
                ("7", "7; there are table, folder, iiif, oai, wga"),
            )
        ),
        (
            OURS + "tasks: [{name: style}, {name: era}, {name: style, min_works: 3}]",
            "tasks[2].name (line 9): 'style' is the name of two tasks",
        ),
        ("sources: []", "sources: a list with at least one source is needed; see `artpipe sources list`"),
        ("sources: [3]", "sources[0] (line 1): a mapping with `adapter` or `preset` is needed"),
        (
            OURS + "tasks: [{name: style, min_work: 3}]",
            "tasks[0].min_work (line 9): no such key; did you mean 'min_works'?",
        ),
        (
            OURS.replace("artists: artist", "artists: {name: a, constant: b}"),
            (
                "sources[0].columns.artists[0].constant (line 6): no such key; there are "
                "name, artist_id, role, born, died, authority_uri"
            ),
        ),
        (
            OURS.replace("{column: style,", "{column: style, constant: b,"),
            "sources[0].labels.movement (line 7): exactly one of column, first, template and constant is needed, not 2",
        ),
        (
            OURS.replace("split: ';'", "regex: '(?<=a)b'"),
            (
                "sources[0].labels.movement (line 7): regex '(?<=a)b' cannot be used: "
                "look-around and back-references are not known here"
            ),
        ),
        (
            with_line("tables: {pictures: {path: p.csv, key: work, to: persons.id}}"),
            "sources[0] (line 3): tables.pictures.to names 'persons.id', but there is no other table 'persons'",
        ),
        (
            with_line("tables: {records: {path: p.csv, key: work}}"),
            "sources[0].tables (line 9): 'records' is what the table of works itself is called; choose another name",
        ),
        *(
            (
                with_line(f"answers: {{{name}: {{url: 'https://museum.example/{{id}}'}}}}"),
                (
                    f"sources[0].answers (line 9): '{name}' cannot be a name; it begins with a-z and has a-z, 0-9 and "
                    "_, 40 at most"
                ),
            )
            for name in ("../works", "api.v1", "API")
        ),
        (
            with_line(
                "tables: {api: {path: p.csv, key: work}}\n    answers: {api: {url: 'https://museum.example/{id}'}}"
            ),
            "sources[0] (line 3): both `tables` and `answers` have the name 'api'; rename one of them",
        ),
    ],
)
def test_a_fault_is_said_with_its_place_and_the_closest_key(text, fault):
    assert faults(text) == [fault]


def test_every_fault_is_said_at_once():
    text = OURS.replace("source_id: id", "sourceid: id").replace("where", "wher")
    assert len(faults(text)) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sources: [", "is no YAML at line 1"),
        ("sources: []\nsources: []\n", "line 2, column 1: the key 'sources' is there twice"),
        ("? [a]\n: 1", "line 1, column 3: a key is a text, no list or mapping"),
        ("x: &a [*a]", "line 1, column 4: this part contains itself by an alias"),
        ("sources: &s [{adapter: folder, name: a, path: *s}]", "line 1, column 10: this part contains itself"),
        ("sources: &s {<<: *s}", "this part contains itself"),
        (
            "sources:\n- &s {adapter: table, columns: {title: {first: [*s]}}}",
            "line 2, column 3: this part contains itself",
        ),
        ("sources: " + "[" * 1500 + "]" * 1500, "nested too deeply"),
        ("sources: " + "[" * 60 + "]" * 60, "more than 50 parts within another"),
        ("sources: 2026-02-30", "a date or a number that cannot be one"),
        ("sources: !!int ''", "a date or a number that cannot be one"),
        ("sources: !!python/object:os.system {}", "could not determine a constructor"),
        ("", "should have `sources:`"),
        ("- a", "should have `sources:`"),
    ],
)
def test_a_file_that_is_no_mapping_says_what_is_wrong(text, message):
    with pytest.raises(BadSourcesFileError, match=message) as caught:
        parse_sources(text, "ours.yaml", Path("/data"))
    assert len(str(caught.value).splitlines()) == 1


def test_aliases_that_stand_for_more_than_a_person_would_write_are_refused():
    laughs = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    laughs += [f"b{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(BadSourcesFileError, match="stand for too much"):
        parse_sources("\n".join(laughs), "ours.yaml", Path("/data"))


def test_an_alias_may_stand_for_a_part_several_times():
    text = OURS.replace("{kind: {not: [print]}}", "{kind: &k {not: [print]}, form: *k}")
    assert parse_sources(text, "ours.yaml", Path("/data")).without_secrets()["sources"][0]["where"].keys() == {
        "kind",
        "form",
    }


def test_a_file_that_cannot_be_opened_leads_to_the_command_that_writes_one(tmp_path):
    with pytest.raises(BadSourcesFileError, match="artpipe sources new"):
        read_sources_file(tmp_path / "missing.yaml")


def test_the_users_keys_go_above_those_of_a_preset():
    text = "sources: [{preset: tate, path: t.csv, requests_per_s: 0.5, columns: {title: name, medium: null}}]"
    [source] = parse_sources(text, "ours.yaml", Path("/data")).without_secrets()["sources"]
    assert (source["name"], source["requests_per_s"], source["path"]) == ("tate", 0.5, "/data/t.csv")
    assert source["columns"]["title"] == {"column": "name"}
    assert source["columns"]["landing_url"] == {"column": "url"}
    assert "medium" not in source["columns"]


def test_a_task_of_a_preset_goes_with_its_labels():
    text = "sources: [{preset: tate, path: t.csv, labels: {movement: null}}]"
    tasks = parse_sources(text, "ours.yaml", Path("/data")).tasks
    assert [task.name for task in tasks or ()] == ["era", "subject"]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_taken_and_says_its_terms_pace_and_page(name):
    place = ", path: t.csv" if "adapter: table" in preset_text(name) else ""
    found = parse_sources(f"sources: [{{preset: {name}{place}}}]", "ours.yaml", Path("/data"))
    assert found.tasks
    head = preset_text(name).split("adapter:")[0]
    assert all(f"# {word}:" in head for word in ("Page", "Terms", "Pace"))
    assert found.sources[0].requests_per_s


LOGINS = ("anna:s3cret@", "anna:s3c/ret@", "s3cret@", "anna:s3c#r?et@", "anna:1s3cret/@")
WITH_AN_ADDRESS = {
    "table": "{{name: a, adapter: table, path: '{}', columns: {{source_id: id}}}}",
    "tables": "{{name: a, adapter: table, path: p.csv, tables: {{t: {{path: '{}', key: id}}}}, "
    "columns: {{source_id: id}}}}",
    "base_url": "{{name: a, adapter: table, path: p.csv, base_url: '{}', columns: {{source_id: id}}}}",
    "answers": "{{name: a, adapter: table, path: p.csv, answers: {{t: {{url: '{}/{{id}}'}}}}, "
    "columns: {{source_id: id}}}}",
    "iiif": "{{name: a, adapter: iiif, url: ['https://museum.example/1', '{}']}}",
    "oai": "{{name: a, adapter: oai, url: '{}'}}",
    "wga": "{{name: a, adapter: wga, base_url: '{}'}}",
    "folder": "{{name: a, adapter: folder, path: '{}'}}",
    "table of a folder": "{{name: a, adapter: folder, path: b, table: {{path: '{}', columns: {{source_id: id}}}}}}",
}


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("scheme", ["https", "HTTP", "s3", "ftp"])
@pytest.mark.parametrize("text", WITH_AN_ADDRESS.values(), ids=WITH_AN_ADDRESS)
def test_no_address_of_a_source_may_hold_a_login_and_none_is_shown(text, scheme, login):
    [fault] = faults(f"sources: [{text.format(f'{scheme}://{login}museum.example/a')}]")
    assert "an address may hold no login" in fault
    assert ("`headers`" if "http" in scheme.lower() else "AWS_ACCESS_KEY_ID") in fault
    assert not any(part in fault for part in ("anna", "s3c", "ret@"))


def test_a_login_is_not_shown_where_an_address_lacks_its_scheme_or_a_host_is_meant():
    for source in ("{name: a, adapter: oai, url: 'anna:s3cret@museum.example'}",
                   "{preset: met, image_hosts: ['anna:s3cret@museum.example']}"):  # fmt: skip
        assert "s3cret" not in " ".join(faults(f"sources: [{source}]"))


@pytest.mark.parametrize(
    "address",
    ["https://museum.example/@anna/1", "https://museum.example:8080/a@b", "https://[::1]/a@b", "https://museum.example?q=a@b",
     "https://[::1]:8080/a@b", "https://museum.example:/a@b"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["table", "base_url", "answers", "iiif", "oai", "wga"])
def test_an_address_may_have_an_at_sign_elsewhere(kind, address):
    text = f"sources: [{WITH_AN_ADDRESS[kind].format(address)}]"
    assert address in json.dumps(parse_sources(text, "ours.yaml", Path("/data")).without_secrets())
