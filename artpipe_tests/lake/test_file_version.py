"""The version of a file is its name and its content, wherever it is."""

from pathlib import Path

from artpipe.lake.paths import file_version


def test_a_file_counts_by_its_name_and_content_and_not_by_its_folder(tmp_path: Path):
    for name, content in (("a.pth", b"weights"), ("moved/a.pth", b"weights"), ("other/a.pth", b"other weights")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    original, moved, other = (file_version(str(tmp_path / name)) for name in ("a.pth", "moved/a.pth", "other/a.pth"))
    assert original == moved != other
    assert (original or "").startswith("a.pth ")


def test_an_edit_of_the_same_length_is_seen_and_a_missing_file_has_no_version(tmp_path: Path):
    file = tmp_path / "labels.csv"
    assert file_version(str(file)) is None
    file.write_text("left")
    first = file_version(str(file))
    file.write_text("long")
    assert file_version(str(file)) != first
