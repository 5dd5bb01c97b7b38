"""Tables as CSV that a spreadsheet opens as text: accents intact, and no cell interpreted as a formula."""

import io

import polars as pl

_FORMULA_START = r"^\s*[=+@\x{FF1D}\x{FF0B}\x{FF20}]|^\s*[-\x{FF0D}]\s*\S|^[\t\r\n]"
"""The signs and their full-width forms. A dash alone is no formula: catalogues write it for an unknown value."""


def spreadsheet_csv(frame: pl.DataFrame) -> bytes:
    """CSV in UTF-8 with a byte-order mark, in which a text that looks like a formula begins with an apostrophe.

    Titles come from foreign catalogues, and a spreadsheet would run a cell that begins with `=`, `+`, `-`, `@`, a tab
    or a line break. Only texts are escaped, numbers are not; Parquet has every text unchanged.

    Source: OWASP, "CSV Injection".
    """
    out = io.BytesIO()
    texts = frame.select(pl.col(pl.String)).columns
    frame.with_columns(_escaped(name) for name in texts).write_csv(out, include_bom=True)
    return out.getvalue()


def _escaped(column: str) -> pl.Expr:
    text = pl.col(column)
    return pl.when(text.str.contains(_FORMULA_START)).then("'" + text).otherwise(text).alias(column)
