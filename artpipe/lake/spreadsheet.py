"""Tables as CSV that a spreadsheet opens as text: with its accents, and with no cell taken for a formula."""

import io

import polars as pl

_TAKEN_FOR_A_FORMULA = r"^\s*[=+@\x{FF1D}\x{FF0B}\x{FF20}]|^\s*[-\x{FF0D}]\s*\S|^[\t\r\n]"
"""The signs and their full-width forms. A dash alone is how catalogues say that nothing is known, and no formula."""


def spreadsheet_csv(frame: pl.DataFrame) -> bytes:
    """CSV in UTF-8 with a byte-order mark, in which a text that looks like a formula begins with an apostrophe.

    Titles come from strangers' catalogues, and a spreadsheet would run a cell that begins with `=`, `+`, `-`, `@`, a
    tab or a line break. Only texts are guarded, numbers are written as they are; to get every text as it is, take
    Parquet.

    Source: OWASP, "CSV Injection".
    """
    out = io.BytesIO()
    texts = frame.select(pl.col(pl.String)).columns
    frame.with_columns(_guarded(name) for name in texts).write_csv(out, include_bom=True)
    return out.getvalue()


def _guarded(column: str) -> pl.Expr:
    text = pl.col(column)
    return pl.when(text.str.contains(_TAKEN_FOR_A_FORMULA)).then("'" + text).otherwise(text).alias(column)
