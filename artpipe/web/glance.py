"""The collection at a glance: what it holds, how well it is described, how good the model is, and what is behind."""

import io
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.models.served import served_model_id
from artpipe.orchestration.lineage import Lineage
from artpipe.schema import TASKS
from artpipe.search.index import read_card

if TYPE_CHECKING:
    from artpipe.web.catalogue import Catalogue

SPLIT_NAMES = {"test": "works it never saw", "unseen_artists": "artists it never saw", "validation": "validation"}
_STEPS = {
    "gallery asked": "raw_catalog",
    "catalogue read": "artworks",
    "pictures fetched": "images",
    "model trained": "classifier",
    "model evaluated": "evaluation_report",
    "works embedded": "embeddings",
    "search index built": "search_index",
    "words indexed": "text_index",
    "map drawn": "art_map",
}
"""What visitors are told of, and the asset whose record says when it was made."""


def evaluation(lake: DataLake) -> dict[str, Any] | None:
    """The evaluation report, where there is one."""
    try:
        return json.loads(lake.evaluation_report.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def held_out_accuracy(lake: DataLake) -> dict[str, float]:
    """For each task the share of right answers on works that the model never saw."""
    report = evaluation(lake)
    if report is None or report["model_id"] != served_model_id(lake) or "test" not in report["splits"]:
        return {}
    scores = report["splits"]["test"]["classification"]
    return {task: scores[task]["at_1"] for task in TASKS if task in scores and scores[task]["at_1"] is not None}


def coverage(catalogue: "Catalogue") -> list[tuple[str, float]]:
    """The share of works of which each thing is known."""
    works = catalogue.works
    known = {
        "style": "style", "period": "period", "type": "type", "school": "school", "year": "year_from",
        "technique": "technique", "location": "location",
    }  # fmt: skip
    return [(name, 1 - works[column].null_count() / max(1, works.height)) for name, column in known.items()]


def image_outcomes(lake: DataLake) -> list[tuple[str, int]]:
    """How many pictures were fetched, gone, refused and so on, the most frequent first."""
    try:
        images = open_lance(lake.lance_table(IMAGES_TABLE))
        statuses = None if images is None else pl.from_arrow(images.to_table(columns=["status"]))
    except (ValueError, OSError, KeyError):
        return []
    if not isinstance(statuses, pl.DataFrame):
        return []
    counted = statuses.group_by("status").len().sort("len", "status", descending=[True, False])
    return [(str(status), int(count)) for status, count in counted.iter_rows()]


def model_story(lake: DataLake) -> dict[str, Any] | None:
    """The card of the served model."""
    model_id = served_model_id(lake)
    if model_id is None:
        return None
    try:
        return json.loads((lake.model(model_id) / "model.json").read_bytes()) | {"model_id": model_id}
    except (FileNotFoundError, json.JSONDecodeError):
        return {"model_id": model_id}


def refreshed(lake: DataLake) -> list[tuple[str, datetime]]:
    """When each part was last made, the latest first; parts that were never made, or are being made, are left out."""
    lineage = Lineage(lake)
    records = [(step, lineage.read(asset)) for step, asset in _STEPS.items()]
    times = [(step, datetime.fromisoformat(record.made_at)) for step, record in records if record]
    return sorted(times, key=lambda part: part[1], reverse=True)


def behind(lake: DataLake, catalogue: "Catalogue") -> list[str]:
    """What of the served parts does not fit together, with the asset to make; empty where everything does."""
    from artpipe.embedding.table import vectors_version

    told: list[str] = []
    served = served_model_id(lake)
    if served is not None and catalogue.collection.model_ids != [served]:
        told.append("The works were embedded by an earlier model than the one in service (embeddings).")
    card = read_card(lake)
    if card is not None and card.content_version != vectors_version(catalogue.works):
        told.append("The search index was built over other vectors; works are compared one by one (search_index).")
    report = evaluation(lake)
    if report is not None and report["model_id"] != served:
        told.append("The evaluation is of an earlier model (evaluation_report).")
    if not catalogue.has_words:
        told.append("The words are not indexed yet and cannot be searched (text_index).")
    missing = _works_without_a_place(lake, catalogue)
    if missing:
        told.append(f"{missing:,} works have no place on the map yet (art_map).")
    return told


def _works_without_a_place(lake: DataLake, catalogue: "Catalogue") -> int:
    path = lake.table("art_map")
    if not path.exists():
        return len(catalogue)
    try:
        placed = pl.read_parquet(io.BytesIO(path.read_bytes()), columns=["artwork_id"])
    except (OSError, pl.exceptions.PolarsError):
        return len(catalogue)
    return catalogue.works.join(placed, on="artwork_id", how="anti").height
