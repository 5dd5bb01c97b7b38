"""How a text with a delimiter is laid out."""

from pathlib import Path

from artpipe.sources.delimited import layout_of
from artpipe.sources.text import TextFile


def _with_newlines(path: Path, content: str) -> list[str] | None:
    path.write_text(content)
    return layout_of(TextFile(path, "utf-8"), path.name, None).columns_with_newlines()


def test_a_well_formed_file_is_left_to_polars_whatever_its_length(tmp_path: Path) -> None:
    # More than is read at once, so that the cut between two readings must not fall into a quotation.
    lines = "line of text\n" * 20
    long = "".join(f'{number},"{lines}"\n' for number in range(50_000))
    assert _with_newlines(tmp_path / "long.csv", f"id,title\n{long}") == ["title"]
    assert _with_newlines(tmp_path / "short.csv", "id,title\n1,a\n") == []


def test_a_file_that_polars_would_fill_up_or_cut_is_read_by_line(tmp_path: Path) -> None:
    assert _with_newlines(tmp_path / "ragged.csv", "id,title\n1\n") is None
    assert _with_newlines(tmp_path / "open.csv", 'id,title\n1,"a\n' + "2,b and more\n" * 4_000_000) is None
