"""The files of overrides are validated line by line, and each problem is reported with the next step."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from artpipe.splits.overrides import OverrideFiles, OverridesError, read_overrides, undo, write_label, write_same_work
from artpipe.tasks import WGA_TASKS, Task, Tasks

HEADER = "artwork_id,task,label,by,reason,at\n"
KNOWN = ("b/one", "b/two")
LINE = {
    "artwork_id": "b/one",
    "task": "style",
    "label": "Rococo",
    "by": "anna",
    "reason": "signed, dated 1750",
    "at": "2026-11-01",
}


@pytest.fixture
def files(tmp_path: Path) -> OverrideFiles:
    return OverrideFiles(str(tmp_path / "overrides" / "labels.csv"), str(tmp_path / "overrides" / "same_work.csv"))


def written(files: OverrideFiles, labels: str | bytes = "", same_work: str = "") -> OverrideFiles:
    for file, content in ((files.labels, labels), (files.same_work, same_work)):
        if content:
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return files


def labels_of(files: OverrideFiles) -> list[tuple[str, str, str | None]]:
    return read_overrides(files, KNOWN).labels.select("artwork_id", "task", "label").rows()


def test_missing_files_are_empty(files):
    found = read_overrides(files, KNOWN)
    assert (found.labels.height, found.same_work.height, found.remarks) == (0, 0, ())


def test_a_configured_file_must_exist(files):
    with pytest.raises(OverridesError, match=r"ARTPIPE_LABEL_OVERRIDES names .*labels.csv, which does not exist"):
        read_overrides(OverrideFiles(files.labels, files.same_work, is_labels_named=True), KNOWN)


def test_labels_are_read_and_an_empty_one_is_unknown(files):
    written(files, HEADER + "b/one,style,Rococo,anna,signed,2026-11-01\n\nb/two,period,,,,\n")
    assert labels_of(files) == [("b/one", "style", "Rococo"), ("b/two", "period", None)]


def test_files_saved_by_a_spreadsheet_are_read(files):
    text = "\ufeffartwork_id;task;label\r\nb/one;type;genre\r\n"
    assert labels_of(written(files, text)) == [("b/one", "type", "genre")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("b/one,stile,Rococo", "line 3: 'stile' is no task; write style, period or type"),
        ("b/one,style,baroc", "line 3: 'baroc' is no style; the closest: Baroque"),
        ("b/one,style,Zzz", "line 3: 'Zzz' is no style; write one of Medieval, .*, or nothing where it is unknown"),
        ("b/one,period,1550", "line 3: '1550' is no period; the closest: 1550-1650, 1450-1550"),
        (",style,Rococo", "line 3: it names no artwork_id"),
        ("b/one,style,Rococo,,,yesterday", "line 3: at 'yesterday' is no date; write one such as 2026-11-01"),
        ("b/one,style,Rococo,anna,signed, dated,2026-11-01", "line 3 has 7 values for 6 columns; put a text .*quotes"),
        ('b/one,style,"Rococo" x', "line 3 is no CSV"),
    ],
)
def test_an_invalid_line_is_named_with_the_next_step(files, line, problem):
    with pytest.raises(OverridesError, match=problem):
        labels_of(written(files, HEADER + "b/two,type,genre,,,\n" + line + "\n"))


def test_every_wrong_line_is_named_at_once(files):
    with pytest.raises(OverridesError, match=r"line 2: .*; line 3: .*; line 6: .*; and 2 more"):
        labels_of(written(files, HEADER + "b/one,style,X,,,\n" * 7))


@pytest.mark.parametrize("header", ["artwork_id,label", "artwork_id,task,label,note", "artwork_id,task,task,label"])
def test_columns_other_than_those_known_are_refused(files, header):
    with pytest.raises(OverridesError, match="line 1 should name the columns: artwork_id,task,label,by,reason,at"):
        labels_of(written(files, header + "\n"))


def test_another_encoding_is_refused(files):
    with pytest.raises(OverridesError, match="is not UTF-8; save it as `CSV UTF-8`"):
        labels_of(written(files, (HEADER + "b/one,style,Rococo,Ágnes,,\n").encode("cp1252")))


def test_of_two_contradicting_lines_the_later_wins_with_a_warning(files):
    written(files, HEADER + "b/one,style,Rococo,,,\nb/one,style,Baroque,,,\nb/one,type,genre,,,\n")
    assert labels_of(files) == [("b/one", "style", "Baroque"), ("b/one", "type", "genre")]
    (remark,) = read_overrides(files, KNOWN).remarks
    assert remark.endswith("line 3: style 'Baroque' of b/one replaces 'Rococo' of line 2")


def test_an_unknown_artwork_gives_a_warning(files):
    written(files, HEADER + "b/gone,style,Rococo,,,\n", "left,right\nb/one,b/away\n")
    unknown = [remark.partition("overrides/")[2] for remark in read_overrides(files, KNOWN).remarks]
    assert unknown == [
        "labels.csv, line 2: the catalogue has no artwork 'b/gone'",
        "same_work.csv, line 2: the catalogue has no artwork 'b/away'",
    ]


@pytest.mark.parametrize("pair", ["b/one,b/one", "b/one,"])
def test_a_pair_is_of_two_artworks(files, pair):
    with pytest.raises(OverridesError, match=r"line 2: .* are not two artworks"):
        read_overrides(written(files, same_work=f"left,right\n{pair}\n"), KNOWN)


def test_a_written_line_is_read_back_and_replaces_the_earlier_one(files):
    assert write_label(files, LINE) is None
    write_label(files, {**LINE, "artwork_id": "b/two", "label": ""})
    before = write_label(files, {**LINE, "label": "Baroque"})
    assert before is not None
    assert before["label"] == "Rococo"
    assert labels_of(files) == [("b/two", "style", None), ("b/one", "style", "Baroque")]
    assert read_overrides(files, KNOWN).labels["reason"].to_list() == ["signed, dated 1750"] * 2


def test_a_pair_is_written_once_whichever_comes_first(files):
    for left, right in (KNOWN, KNOWN[::-1]):
        write_same_work(files, {"left": left, "right": right, "by": "anna", "reason": "", "at": "2026-11-01"})
    assert read_overrides(files, KNOWN).same_work.height == 1


def test_an_invalid_line_is_not_written_and_an_invalid_file_is_not_changed(files):
    with pytest.raises(OverridesError, match="'Roccoco' is no style; the closest: Rococo"):
        write_label(files, {**LINE, "label": "Roccoco"})
    assert not Path(files.labels).exists()
    written(files, HEADER + "b/one,style,Roccoco,,,\n")
    with pytest.raises(OverridesError, match="line 2"):
        write_label(files, LINE)
    assert Path(files.labels).read_text() == HEADER + "b/one,style,Roccoco,,,\n"


def test_a_line_is_taken_back_only_as_it_was_written(files: OverrideFiles):
    first, second = ({**LINE, "label": label} for label in ("Baroque", "Rococo"))
    assert write_label(files, first) is None
    before = write_label(files, second)
    with pytest.raises(OverridesError, match="has changed since, and nothing was undone"):
        undo(files.labels, WGA_TASKS, first)
    undo(files.labels, WGA_TASKS, second, before)
    assert read_overrides(files, KNOWN).labels["label"].to_list() == ["Baroque"]
    undo(files.labels, WGA_TASKS, first)
    assert read_overrides(files, KNOWN).labels.is_empty()


def test_of_two_writers_at_once_neither_loses_a_line(files: OverrideFiles):
    names = [f"a/{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: write_label(files, {**LINE, "artwork_id": name}), names))
    assert sorted(read_overrides(files, names).labels["artwork_id"]) == sorted(names)


def test_a_dated_line_about_a_task_or_class_that_has_gone_has_no_effect_and_stays_in_the_file(files: OverrideFiles):
    write_label(files, {**LINE, "label": "Rococo", "at": "2026-11-01"})
    later = replace(files, tasks=Tasks(Task("style", ("Baroque",)), Task("movement", ("Cubism",))))
    found = read_overrides(later, KNOWN)
    assert found.labels.is_empty()
    assert "line 2 has no effect: 'Rococo' is no style; write one of Baroque" in "".join(found.remarks)
    write_label(later, {**LINE, "task": "movement", "label": "Cubism"})
    assert read_overrides(files, KNOWN).labels["label"].to_list() == ["Rococo"], "it counts again once it is declared"
