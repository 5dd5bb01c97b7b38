"""A selection on the map: the works inside a polygon that pass the filters, at an address that anybody can open.

The address has the polygon's corners, not the works: four bytes a corner, base64url. They are in the units of
`art_map`, in which works keep their places from refresh to refresh, so the address of a selection keeps its meaning.
"""

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.web.map_regions import within

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from artpipe.search.filters import SearchFilter
    from artpipe.web.catalogue import Catalogue
    from artpipe.web.map_data import MapData

UNITS = 256
"""Steps of a corner in one unit of the map."""
MAX_CORNERS = 64
TYPICAL = 12


class UnusableSelectionError(ArtpipeError):
    """The corners in an address are no polygon."""


def corners_text(corners: "NDArray[np.float64]") -> str:
    """A polygon as a part of an address.

    Args:
        corners: float64 (corners, 2), in the units of the map.
    """
    steps = np.clip(np.round(corners * UNITS), -32768, 32767).astype("<i2")
    return base64.urlsafe_b64encode(steps.tobytes()).decode().rstrip("=")


def read_corners(text: str) -> "NDArray[np.float64]":
    """The polygon of `corners_text`, float64 (corners, 2).

    Raises:
        UnusableSelectionError: the text is no polygon.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        corners = np.frombuffer(data, "<i2").reshape(-1, 2).astype(np.float64) / UNITS
    except (ValueError, binascii.Error) as error:
        raise UnusableSelectionError("the corners of the selection cannot be read; select works on the map.") from error
    if not 3 <= len(corners) <= MAX_CORNERS:
        raise UnusableSelectionError(
            f"a selection has 3 to {MAX_CORNERS} corners, this one {len(corners)}; select works on the map."
        )
    return corners


def select_works(
    catalogue: "Catalogue", data: "MapData", corners: "NDArray[np.float64]", where: "SearchFilter"
) -> "pl.DataFrame":
    """The works inside a polygon that pass a filter, the most typical first.

    Args:
        catalogue: the collection.
        data: its map.
        corners: float64 (corners, 2).
        where: which works may be selected.

    Returns:
        What pages show of each work. Typical is what is close to the mean place of them all.

    Raises:
        UnknownFilterValueError: no work has a label that the filter names.
    """
    places = data.table.select("x", "y").to_numpy().astype(np.float64)
    inside = np.flatnonzero(within(places, corners))
    centre = places[inside].mean(axis=0) if len(inside) else np.zeros(2)
    away = ((places[inside] - centre) ** 2).sum(axis=1)
    ids = data.table["artwork_id"].gather(inside[np.argsort(away, kind="stable")])
    return catalogue.works_named(ids, where)


def typical_of(works: "pl.DataFrame") -> tuple[str, ...]:
    """The most typical works of a selection, each of another work, to search for others like them."""
    return tuple(works.unique("work_id", keep="first", maintain_order=True)["artwork_id"].head(TYPICAL))
