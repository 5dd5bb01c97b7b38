"""Which artworks a lake knows of where their table is gone or was torn: what was made of them still names them."""

from contextlib import suppress
from typing import cast

import polars as pl

from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import EMBEDDINGS_TABLE, IMAGES_TABLE, DamagedLakeError, DataLake
from artpipe.schema import ARTWORKS, STORED


def known_artworks(lake: DataLake) -> pl.DataFrame | None:
    """The works that can be searched with what their table has of them, else those whose images are stored; or None.

    A catalogue that lacks most of them is refused as mass loss, as if it were compared with the table of artworks.
    """
    is_stored = " OR ".join(f"status = '{status}'" for status in STORED)
    for name, rows in ((EMBEDDINGS_TABLE, None), (IMAGES_TABLE, is_stored)):
        with suppress(DamagedLakeError):
            if (dataset := open_lance(lake.lance_table(name))) is not None:
                columns = [column for column in ARTWORKS if column in dataset.schema.names]
                held = cast("pl.DataFrame", pl.from_arrow(dataset.to_table(columns=columns, filter=rows)))
                if held.height:
                    return held
    return None
