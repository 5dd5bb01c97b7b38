"""The data of the interactive map: quantised coordinates, class codes, years, the order of pictures, and names.

`points.bin` is little-endian: the number of works N (uint32); the order in which works stand for the map (N uint32, see
`map_sheets.pyramid_order`); x, y, first and last year (N each; uint16, uint16, int16, int16; an unknown year is
-32768); then for each task N class codes (uint8, 255 for none), and N proportions of pictures (uint8, see
`aspect_codes`). `works.json` has ids, titles and artists. For 50,000 works both take less than 2 MB together when
compressed.
"""

import json
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.figures.class_colours import class_colours
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.tasks import Task, Tasks
from artpipe.web.map_regions import Region, find_regions
from artpipe.web.map_sheets import Sheets, aspect_codes, pyramid_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.web.catalogue import Catalogue

_NONE = 255
_NO_YEAR = -32768
_STEPS = 65535
_SHOWN = ("artwork_id", "title", "artist", "year_from", "year_to")


class NoMapError(ArtpipeError):
    """The map was not made yet."""

    def __init__(self) -> None:
        super().__init__('there is no map yet; materialize "art_map".')


@dataclass(frozen=True)
class MapData:
    """The map's data and legend.

    Attributes:
        tasks: whose classes are on it.
        table: the works in the order of the data: their columns, and `x` and `y` as in the asset `art_map`.
        points: content of `points.bin`.
        works: content of `works.json`.
        legend: for each task the classes that occur: code, name, colour, number of works.
        order: int64 (N,), the order in which works stand for the map.
        aspects: uint8 (N,), the proportions of the pictures.
        centre: the place in the middle of the map, in the units of `art_map`.
        side: how wide and high the map is, in these units.
    """

    tasks: Tasks
    table: pl.DataFrame
    points: bytes
    works: bytes
    legend: dict[str, list[dict[str, Any]]]
    order: "NDArray[np.int64]" = field(repr=False)
    aspects: "NDArray[np.uint8]" = field(repr=False)
    centre: tuple[float, float]
    side: float

    @property
    def count(self) -> int:
        """Works on the map."""
        return self.table.height

    @cached_property
    def regions(self) -> list[Region]:
        """The named regions."""
        return find_regions(self.table, self.tasks)

    def on_page(self, place: "Sequence[float]") -> tuple[int, int]:
        """A place in the units of the page, which has y downwards."""
        x, y = (
            (value - middle) / self.side * _STEPS + _STEPS / 2 for value, middle in zip(place, self.centre, strict=True)
        )
        return round(x), round(_STEPS - y)


def read_map(lake: DataLake, catalogue: "Catalogue") -> MapData:
    """The works of the catalogue that are on the map.

    Raises:
        NoMapError: there is no map yet.
    """
    places = read_table_if_exists(lake, "art_map")
    if places is None:
        raise NoMapError
    works = catalogue.snapshot.columns([*_SHOWN, *catalogue.collection.tasks, "jpeg_sha256"])
    placed = works.join(places.select("artwork_id", "x", "y"), on="artwork_id", maintain_order="left")
    sized = placed.join(_sizes(lake), on="artwork_id", how="left", maintain_order="left")
    return map_data(sized, catalogue.collection.tasks)


def sheets_of(
    lake: DataLake, catalogue: "Catalogue", data: MapData, hidden: Collection[str] = frozenset[str]()
) -> Sheets:
    """The sheets of small pictures for a map; the places of the `hidden` works stay grey."""
    order = data.order
    shown = pl.when(~pl.col("artwork_id").is_in(list(hidden))).then("jpeg_sha256").fill_null("")
    pictures = data.table.select("artwork_id", shown).rows()
    listed = [(*pictures[row], int(data.aspects[row])) for row in order]

    def read(ids: Sequence[str]) -> Mapping[str, bytes]:
        return catalogue.collection.images([name for name in ids if name not in hidden])

    return Sheets(lake, listed, read)


def map_data(works: pl.DataFrame, tasks: Tasks) -> MapData:
    """Pack works and their coordinates.

    Args:
        works: `artwork_id`, `title`, `artist`, `x`, `y`, a column for each task; and `year_from`, `year_to`,
            `width_px`, `height_px` where they are known.
        tasks: whose classes colour the map; one without a label on it colours nothing, and is left out.
    """
    labelled = [task for name, task in tasks.items() if works[name].is_not_null().any()]
    tasks = Tasks(*(labelled or list(tasks.values())[:1]))
    known = {"year_from": pl.Int32, "year_to": pl.Int32, "width_px": pl.Float64, "height_px": pl.Float64}
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in known.items() if name not in works.columns]
    works = works.with_columns(missing)
    places, centre, side = _quantised(works.select("x", "y").to_numpy().astype(np.float64))
    order = pyramid_order(places[0], places[1])
    years = [works[name].clip(-32767, 32767).fill_null(_NO_YEAR).to_numpy() for name in ("year_from", "year_to")]
    parts = [struct.pack("<I", works.height), order.astype("<u4").tobytes()]
    parts += [axis.tobytes() for axis in places] + [year.astype("<i2").tobytes() for year in years]
    legend: dict[str, list[dict[str, Any]]] = {}
    for name, task in tasks.items():
        colours = dict(list(class_colours(_with_classes(task, works[name])).items())[:_NONE])
        codes = works[name].replace_strict(list(colours), range(len(colours)), default=_NONE, return_dtype=pl.UInt8)
        codes = codes.fill_null(_NONE).to_numpy()
        parts.append(codes.tobytes())
        counts = np.bincount(codes, minlength=_NONE + 1)
        legend[name] = [
            {"code": code, "name": label, "colour": colour, "works": int(counts[code])}
            for code, (label, colour) in enumerate(colours.items())
            if counts[code]
        ]
    sizes = works.select(pl.col("width_px", "height_px").cast(pl.Float64).fill_null(float("nan")))
    aspects = aspect_codes(sizes["width_px"].to_numpy(), sizes["height_px"].to_numpy())
    parts.append(aspects.tobytes())
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
    return MapData(tasks, works, b"".join(parts), packed, legend, order, aspects, centre, side)


def _with_classes(task: Task, labels: pl.Series) -> Task:
    """The task with the classes of the works, where it does not say its own any more."""
    return task if task.classes else replace(task, classes=tuple(labels.drop_nulls().unique().sort().to_list()))


def _sizes(lake: DataLake) -> pl.DataFrame:
    """The width and the height of the originals, which have the proportions of the stored pictures."""
    columns = ["artwork_id", "width_px", "height_px"]
    images = open_lance(lake.lance_table(IMAGES_TABLE))
    if images is None or not set(columns) <= set(images.schema.names):
        return pl.DataFrame(schema={"artwork_id": pl.String, "width_px": pl.Int64, "height_px": pl.Int64})
    return pl.DataFrame(images.to_table(columns=columns))


def _quantised(points: np.ndarray) -> "tuple[list[NDArray[np.uint16]], tuple[float, float], float]":
    """Both coordinates as uint16, with the same scale on both axes and the narrower one centred; centre and side."""
    if not len(points):
        return [np.empty(0, "<u2"), np.empty(0, "<u2")], (0.0, 0.0), 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    centre, side = (low + high) / 2, max(float((high - low).max()), 1e-9)
    steps = (points - centre) / side * _STEPS + _STEPS / 2
    x, y = (np.round(steps[:, axis]).astype("<u2") for axis in range(2))
    return [x, y], (float(centre[0]), float(centre[1])), side
