"""Template contexts of the pages of a work, an artist, the map and the collection, served or exported."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.models.served import is_refit_served
from artpipe.schema import known_text
from artpipe.tasks import heading
from artpipe.web.collection_summary import (
    completeness,
    evaluation_scores,
    held_out_accuracy,
    image_outcomes,
    mismatches,
    model_card,
    training_rights,
    update_times,
)
from artpipe.web.links import host_of, safe_url
from artpipe.web.questions import Question

if TYPE_CHECKING:
    from artpipe.web.catalogue import Catalogue
    from artpipe.web.links import Links

NEIGHBOURS = 12
STORED_WIDTH_PX = 1600
"""Wider than any thumbnail: the stored picture itself."""
ARTISTS_PER_PAGE = 240
"""A longer list of artists is shown one initial at a time."""


class UnknownArtistError(ArtpipeError):
    """The collection has no work of this artist."""


def work_context(
    lake: DataLake, catalogue: "Catalogue", artwork_id: str, links: "Links", abstain_below: float
) -> dict[str, Any]:
    """A work: its metadata, the predicted labels, similar works, and changes in the catalogue.

    Args:
        lake: the lake of the collection.
        catalogue: its works.
        artwork_id: of the work.
        links: where the page's links lead.
        abstain_below: a label with a lower probability is displayed as unsure.

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
        for task in catalogue.collection.tasks
        if work[f"predicted_{task}"] is not None
    ]
    return {
        "work": work,
        "guesses": guesses,
        "tasks": catalogue.collection.tasks.names,
        "abstain_below": abstain_below,
        "is_out_of_distribution": bool(catalogue.novelty_of(artwork_id).is_out_of_distribution),
        "accuracy": held_out_accuracy(lake),
        "is_measured_on_another": is_refit_served(lake),
        "same_work": catalogue.pictures_of_the_same_work(work),
        "neighbours": catalogue.neighbours(artwork_id, NEIGHBOURS),
        "source": source_of(work),
        "is_drawn": catalogue.snapshot.is_drawn,
        "structured": structured_data(work, links, catalogue.collection.tasks.labelled),
        "changes": _catalogue_changes(lake, artwork_id),
        "extra": _further_facts(lake, artwork_id),
        "has_map": lake.table("art_map").exists(),
    }


def artist_context(lake: DataLake, catalogue: "Catalogue", artist_id: str, page: int, size: int) -> dict[str, Any]:
    """An artist and one page of their works.

    Raises:
        UnknownArtistError: no work is by an artist of this id.
    """
    works = catalogue.works_of(artist_id)
    if not works:
        raise UnknownArtistError(f"the collection has no work of an artist {artist_id!r}.")
    row = _artist_row(lake, artist_id)
    facts = [row.get(name) for name in ("dates_text", "profession", "period", "school")]
    return {
        "artist": {
            "artist_id": artist_id,
            "name": row.get("name") or catalogue.name_of(artist_id) or artist_id,
            "facts": [str(fact).strip("()") for fact in facts if fact],
        },
        "works": works[(page - 1) * size : page * size],
        "total": len(works),
        "page": page,
        "pages": _page_count(len(works), size),
    }


def artists_context(
    catalogue: "Catalogue", initial: str = "", page: int = 1, *, on_one_page: bool = False
) -> dict[str, Any]:
    """The artists by initial: all of them where they are few, else a page of those of one initial."""
    artists = catalogue.artists
    initials = list(dict.fromkeys(str(artist["initial"]) for artist in artists))
    selected = initial.upper() if initial.upper() in initials else ""
    pages = 1
    if not on_one_page:
        if not selected and len(artists) > ARTISTS_PER_PAGE:
            selected = initials[0]
        artists = [artist for artist in artists if selected in ("", artist["initial"])]
        pages = _page_count(len(artists), ARTISTS_PER_PAGE)
        artists = artists[(page - 1) * ARTISTS_PER_PAGE : page * ARTISTS_PER_PAGE] if pages > 1 else artists
    groups = [(one, [artist for artist in artists if artist["initial"] == one]) for one in initials]
    return {
        "count": len(catalogue.artists),
        "initials": initials,
        "initial": selected,
        "groups": [(one, members) for one, members in groups if members],
        "page": page,
        "pages": pages,
    }


def collection_context(lake: DataLake, catalogue: "Catalogue") -> dict[str, Any]:
    """Statistics of the collection, its model and its updates."""
    facets, card = catalogue.search(Question(), size=1).facets, model_card(lake)
    label_counts: dict[str, list[tuple[str, int, float]]] = {}
    for name in catalogue.collection.tasks:
        most = max((count for _, count in facets[name]), default=1)
        label_counts[name] = [(label, count, count / most) for label, count in facets[name]]
    counts = [
        ("works", len(catalogue)),
        ("artists", len(catalogue.artists)),
        *([("schools", len(facets["school"]))] if facets["school"] else []),
        ("different paintings", catalogue.snapshot.rows["work_id"].n_unique()),
    ]
    return {
        "counts": counts,
        "label_counts": label_counts,
        "completeness": completeness(catalogue),
        "model": card,
        "training_rights": training_rights(card),
        "scores": evaluation_scores(lake),
        "update_times": update_times(lake),
        "mismatches": mismatches(lake, catalogue),
        "image_outcomes": image_outcomes(lake),
        "compares": catalogue.can_compare,
    }


def source_of(work: dict[str, Any]) -> dict[str, str] | None:
    """The `page_url` and the `host` of a work's source, where it has one."""
    page_url = safe_url(work["page_url"])
    return {"page_url": page_url, "host": host_of(page_url)} if page_url else None


def structured_data(work: dict[str, Any], links: "Links", labelled: Iterable[str]) -> dict[str, Any]:
    """A work in the terms of search engines; `labelled` are the tasks that the catalogue gives labels of.

    Source: https://schema.org/VisualArtwork.
    """
    artist = {"@type": "Person", "name": work["artist"]}
    if work["artist_id"]:
        artist["url"] = links.artist(work["artist_id"])
    values = {
        "name": work["title"],
        "creator": artist if work["artist"] else None,
        "dateCreated": known_text(work["date_text"]),
        "artMedium": known_text(work["technique"]),
        "genre": [work[task] for task in labelled if work[task]],
        "image": links.image(work, STORED_WIDTH_PX),
        "url": links.work(work["artwork_id"]),
        "sameAs": safe_url(work["page_url"]),
        "license": safe_url(work.get("rights_uri")),
        "creditText": work.get("credit_line"),
    }
    about = {"@context": "https://schema.org", "@type": "VisualArtwork"}
    return about | {name: value for name, value in values.items() if value}


def _catalogue_changes(lake: DataLake, artwork_id: str) -> list[dict[str, Any]]:
    """The recorded changes of a work's catalogue row, the latest first."""
    changes = read_table_if_exists(lake, "catalog_changes")
    if changes is None:
        return []
    rows = changes.filter(pl.col("artwork_id") == artwork_id).sort("changed_at", descending=True).to_dicts()
    return [{**row, "date": str(row["changed_at"])[:10]} for row in rows]


def _further_facts(lake: DataLake, artwork_id: str) -> list[tuple[str, str]]:
    """What else the source says of a work: names with their values; only this row's part of the table is read."""
    from pyarrow.parquet import ParquetFile, read_table

    try:
        with lake.table("artworks").open("rb") as file:
            if "extra" not in ParquetFile(file).schema_arrow.names:  # of an older lake
                return []
            rows = read_table(file, columns=["extra"], filters=[("artwork_id", "=", artwork_id)]).to_pylist()
    except FileNotFoundError:
        return []
    facts: dict[str, Any] = json.loads(rows[0]["extra"] or "{}") if rows else {}
    texts = {name: "; ".join(map(str, one)) if isinstance(one, list) else str(one or "") for name, one in facts.items()}
    return [(heading(name), text) for name, text in texts.items() if text.strip()]


def _artist_row(lake: DataLake, artist_id: str) -> dict[str, Any]:
    artists = read_table_if_exists(lake, "artists")
    rows = artists.filter(artist_id=artist_id).sort("alias_of").to_dicts() if artists is not None else []
    return rows[0] if rows else {}


def _page_count(items: int, size: int) -> int:
    return max(1, -(-items // size))
