"""What the pages of a work, an artist, the map and the collection show, whether they are served or exported."""

import io
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.schema import TASKS
from artpipe.web.glance import (
    SPLIT_NAMES,
    behind,
    coverage,
    evaluation,
    held_out_accuracy,
    image_outcomes,
    model_story,
    refreshed,
)
from artpipe.web.questions import Question

if TYPE_CHECKING:
    from artpipe.web.catalogue import Catalogue
    from artpipe.web.map_data import MapData

NEIGHBOURS = 12
MANY_ARTISTS = 300
"""Artists on a page; more are shown one initial at a time."""


class UnknownArtistError(ArtpipeError):
    """The collection has no work of this artist."""


def work_page(lake: DataLake, catalogue: "Catalogue", artwork_id: str, abstain_below: float) -> dict[str, Any]:
    """A painting: what is known, what the model takes it for, what is like it, what changed.

    Args:
        lake: where the works are.
        catalogue: the works.
        artwork_id: of the painting.
        abstain_below: a label that is less probable is told as unsure.

    Raises:
        UnknownArtworkError: no artwork has this id.
    """
    work = catalogue.get(artwork_id)
    guesses = [
        {
            "task": task,
            "catalogue": work[task],
            "label": work[f"predicted_{task}"],
            "probability": (probability := work[f"predicted_{task}_probability"]),
            "is_sure": probability is None or probability >= abstain_below,
        }
        for task in TASKS
        if work[f"predicted_{task}"] is not None
    ]
    return {
        "work": work,
        "guesses": guesses,
        "abstain_below": abstain_below,
        "stands_apart": bool(catalogue.novelty_of(artwork_id).is_unlike_collection),
        "accuracy": held_out_accuracy(lake),
        "same_work": catalogue.pictures_of_the_same_work(work),
        "neighbours": catalogue.neighbours(artwork_id, NEIGHBOURS),
        "changes": catalogue_changes(lake, artwork_id),
        "has_map": lake.table("art_map").exists(),
    }


def artist_page(lake: DataLake, catalogue: "Catalogue", artist_id: str, page: int, size: int) -> dict[str, Any]:
    """An artist and a page of their works.

    Raises:
        UnknownArtistError: no work is by an artist of this id.
    """
    works = catalogue.works_of(artist_id)
    if not works:
        raise UnknownArtistError(f"the collection has no work of an artist {artist_id!r}.")
    known = _artist_row(lake, artist_id)
    facts = [known.get(name) for name in ("dates_text", "profession", "period", "school")]
    artist = {
        "artist_id": artist_id,
        "name": known.get("name") or works[0]["artist"] or artist_id,
        "facts": [str(fact).strip("()") for fact in facts if fact],
    }
    pages = max(1, -(-len(works) // size))
    first = (page - 1) * size
    return {
        "artist": artist, "works": works[first : first + size], "total": len(works), "page": page, "pages": pages
    }  # fmt: skip


def artists_page(
    catalogue: "Catalogue", initial: str = "", page: int = 1, *, all_at_once: bool = False
) -> dict[str, Any]:
    """The artists by initial: all of them where they are few, else a page of those of one initial."""
    artists = catalogue.artists
    initials = list(dict.fromkeys(str(one["initial"]) for one in artists))
    wanted = initial.upper() if initial.upper() in initials else ""
    if not wanted and len(artists) > MANY_ARTISTS and not all_at_once:
        wanted = initials[0]
    if wanted:
        artists = [one for one in artists if one["initial"] == wanted]
    pages = 1 if all_at_once else max(1, -(-len(artists) // MANY_ARTISTS))
    if pages > 1:
        artists = artists[(page - 1) * MANY_ARTISTS : page * MANY_ARTISTS]
    shown = [(one, [artist for artist in artists if artist["initial"] == one]) for one in initials]
    return {
        "count": len(catalogue.artists),
        "initials": initials,
        "initial": wanted,
        "shown": [(one, named) for one, named in shown if named],
        "page": page,
        "pages": pages,
    }


def collection_page(lake: DataLake, catalogue: "Catalogue") -> dict[str, Any]:
    """Counts, coverage, the model's story and figures, what was last refreshed and what does not fit together."""
    facets = catalogue.search(Question(), size=1).facets
    spread = {}
    for name in TASKS:
        most = max((count for _, count in facets[name]), default=1)
        spread[name] = [(label, count, count / most) for label, count in facets[name]]
    counts = [
        ("works", len(catalogue)),
        ("artists", len(catalogue.artists)),
        ("schools", len(facets["school"])),
        ("different paintings", catalogue.works["work_id"].n_unique()),
    ]
    return {
        "counts": counts,
        "spread": spread,
        "coverage": coverage(catalogue),
        "model": model_story(lake),
        "scores": _scores(lake),
        "refreshed": refreshed(lake),
        "behind": behind(lake, catalogue),
        "outcomes": image_outcomes(lake),
        "compares": catalogue.can_compare,
    }


def map_page(data: "MapData") -> dict[str, Any]:
    """The map's legend and size; its data come apart."""
    return {"legend": data.legend, "count": data.count}


def catalogue_changes(lake: DataLake, artwork_id: str) -> list[dict[str, Any]]:
    """What changed in the catalogue's rows of a work, the latest first; empty where nothing is recorded."""
    path = lake.table("catalog_changes")
    if not path.exists():
        return []
    try:
        changes = pl.read_parquet(io.BytesIO(path.read_bytes())).filter(pl.col("artwork_id") == artwork_id)
        rows = changes.sort("changed_at", descending=True).to_dicts()
    except (OSError, pl.exceptions.PolarsError):
        return []
    return [{**row, "when": str(row["changed_at"])[:10]} for row in rows]


def _artist_row(lake: DataLake, artist_id: str) -> dict[str, Any]:
    path = lake.table("artists")
    if not path.exists():
        return {}
    try:
        found = pl.read_parquet(io.BytesIO(path.read_bytes())).filter(artist_id=artist_id).sort("alias_of")
    except (OSError, pl.exceptions.PolarsError):
        return {}
    return found.row(0, named=True) if found.height else {}


def _scores(lake: DataLake) -> list[dict[str, Any]]:
    report = evaluation(lake)
    rows: list[dict[str, Any]] = []
    for split, name in SPLIT_NAMES.items():
        for task, scores in (report or {"splits": {}})["splits"].get(split, {}).get("classification", {}).items():
            if scores["at_1"] is None:
                continue
            low, high = scores.get("at_1_interval") or (None, None)
            figures = {"at_1": scores["at_1"], "at_3": scores["at_3"], "low": low, "high": high}
            more = {"f1": scores["macro_f1"], "floor": scores["majority_floor"], "n": scores["n"]}
            rows.append({"split": name, "task": task, **figures, **more})
    return rows
