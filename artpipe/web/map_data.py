"""The map as a browser draws it: places in two bytes a coordinate, classes in one, names beside them.

`points.bin` holds, little-endian: the number of works N (uint32), then x and y (uint16 each, N of them), then for each
task N bytes, the place of the class in the legend and 255 for none. `works.json` holds ids, titles and artists in the
same order. At 50,000 works both are under 2 MB together when compressed.
"""

import io
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.figures.map_picture import CLASS_COLOURS
from artpipe.lake.paths import DataLake
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from artpipe.web.catalogue import Catalogue

_NONE = 255


class NoMapError(ArtpipeError):
    """The map was never drawn."""


@dataclass(frozen=True)
class MapData:
    """What the page of the map needs.

    Attributes:
        points: the places, see above.
        works: the names, as JSON.
        legend: for each task the classes that occur: name, colour, number of works.
        count: works on the map.
    """

    points: bytes
    works: bytes
    legend: dict[str, list[dict[str, Any]]]
    count: int


def read_map(lake: DataLake, catalogue: "Catalogue") -> MapData:
    """The works of the catalogue that have a place.

    Raises:
        NoMapError: there is no map yet.
    """
    path = lake.table("art_map")
    if not path.exists():
        raise NoMapError('the map has not been drawn yet; materialize "art_map".')
    places = pl.read_parquet(io.BytesIO(path.read_bytes())).select("artwork_id", "x", "y")
    return map_data(catalogue.works.join(places, on="artwork_id", how="inner", maintain_order="left"))


def map_data(works: pl.DataFrame) -> MapData:
    """Pack works with their places.

    Args:
        works: `artwork_id`, `title`, `artist`, `jpeg_sha256`, `style`, `period`, `type`, `x`, `y`.
    """
    parts = [struct.pack("<I", works.height), *_in_two_bytes(works.select("x", "y"))]
    legend: dict[str, list[dict[str, Any]]] = {}
    for task in TASKS:
        colours = CLASS_COLOURS[task]
        codes = works[task].replace_strict(list(colours), range(len(colours)), default=_NONE, return_dtype=pl.UInt8)
        codes = codes.fill_null(_NONE).to_numpy()
        parts.append(codes.tobytes())
        counts = np.bincount(codes, minlength=_NONE + 1)
        legend[task] = [
            {"code": code, "name": name, "colour": colour, "works": int(counts[code])}
            for code, (name, colour) in enumerate(colours.items())
            if counts[code]
        ]
    artists = works["artist"].fill_null("").unique(maintain_order=True)
    place = {name: i for i, name in enumerate(artists)}
    names = {
        "ids": works["artwork_id"].to_list(),
        "titles": works["title"].fill_null("").to_list(),
        "artists": artists.to_list(),
        "artist": [place[name] for name in works["artist"].fill_null("")],
    }
    told = json.dumps(names, ensure_ascii=False, separators=(",", ":")).encode()
    return MapData(b"".join(parts), told, legend, works.height)


def _in_two_bytes(places: pl.DataFrame) -> list[bytes]:
    """Both coordinates as uint16, one step equally long on either axis; the narrower side is centred."""
    numbers = places.to_numpy().astype(np.float64)
    if not len(numbers):
        return [b"", b""]
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    side = max(float((high - low).max()), 1e-9)
    steps = (numbers - (low + high) / 2) / side * 65535 + 65535 / 2
    return [np.round(steps[:, axis]).astype("<u2").tobytes() for axis in range(2)]
