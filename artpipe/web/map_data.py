"""The data of the interactive map: quantised coordinates, class codes and names.

`points.bin` is little-endian: the number of works N (uint32), x and y (N uint16 each), then for each task N class codes
(uint8, 255 for none). `works.json` has ids, titles and artists in the same order. For 50,000 works both take less than
2 MB together when compressed.
"""

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.figures.map_picture import CLASS_COLOURS
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from artpipe.web.catalogue import Catalogue

_NONE = 255


class NoMapError(ArtpipeError):
    """The map was not made yet."""

    def __init__(self) -> None:
        super().__init__('there is no map yet; materialize "art_map".')


@dataclass(frozen=True)
class MapData:
    """The map's data and legend.

    Attributes:
        points: content of `points.bin`.
        works: content of `works.json`.
        legend: for each task the classes that occur: code, name, colour, number of works.
        count: works on the map.
    """

    points: bytes
    works: bytes
    legend: dict[str, list[dict[str, Any]]]
    count: int


def read_map(lake: DataLake, catalogue: "Catalogue") -> MapData:
    """The works of the catalogue that are on the map.

    Raises:
        NoMapError: there is no map yet.
    """
    places = read_table_if_exists(lake, "art_map")
    if places is None:
        raise NoMapError
    works = catalogue.snapshot.columns(["artwork_id", "title", "artist", *TASKS])
    placed = works.join(places.select("artwork_id", "x", "y"), on="artwork_id", maintain_order="left")
    return map_data(placed)


def map_data(works: pl.DataFrame) -> MapData:
    """Pack works and their coordinates.

    Args:
        works: `artwork_id`, `title`, `artist`, `style`, `period`, `type`, `x`, `y`.
    """
    parts = [struct.pack("<I", works.height), *_quantised(works.select("x", "y").to_numpy())]
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
    artist = works["artist"].fill_null("")
    names = artist.unique(maintain_order=True).to_list()
    codes_of = {name: code for code, name in enumerate(names)}
    described = {
        "ids": works["artwork_id"].to_list(),
        "titles": works["title"].fill_null("").to_list(),
        "artists": names,
        "artist": [codes_of[name] for name in artist],
    }
    packed = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()
    return MapData(b"".join(parts), packed, legend, works.height)


def _quantised(points: np.ndarray) -> list[bytes]:
    """Both coordinates as uint16, with the same scale on both axes and the narrower one centred."""
    if not len(points):
        return [b"", b""]
    low, high = points.min(axis=0), points.max(axis=0)
    side = max(float((high - low).max()), 1e-9)
    steps = (points - (low + high) / 2) / side * 65535 + 65535 / 2
    return [np.round(steps[:, axis]).astype("<u2").tobytes() for axis in range(2)]
