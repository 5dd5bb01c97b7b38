"""What the collection page reports: catalogue completeness, model, update times, and parts that do not match."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from artpipe.lake.lance_tables import open_lance
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.models.card import CARD_FILE
from artpipe.models.rights import TrainingRights, rights_in_words
from artpipe.models.served import measured_model_id, served_model_id
from artpipe.orchestration.lineage import Lineage
from artpipe.search.index import read_card
from artpipe.vectors.lance_search import LanceSearch

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.web.catalogue import Catalogue

_SPLITS = {"test": "unseen works", "unseen_artists": "unseen artists", "validation": "validation"}
_STEPS = {
    "catalogue downloaded": "raw_catalog",
    "catalogue parsed": "artworks",
    "images downloaded": "images",
    "model trained": "classifier",
    "model evaluated": "evaluation_report",
    "embeddings computed": "embeddings",
    "search index built": "search_index",
    "text index built": "text_index",
    "map computed": "art_map",
}
"""The steps that the page names, and the asset whose lineage record has their time."""


def evaluation_report(lake: DataLake) -> dict[str, Any] | None:
    """The evaluation report, where there is one."""
    return _read_json(lake.evaluation_report)


def held_out_accuracy(lake: DataLake) -> dict[str, float]:
    """For each task the top-1 accuracy on unseen works; empty where the chosen model was not evaluated.

    Where its refit is served, the figures are of the chosen model, which did not see these works.
    """
    report = evaluation_report(lake)
    if report is None or report["model_id"] != measured_model_id(lake) or "test" not in report["splits"]:
        return {}
    scores = report["splits"]["test"]["classification"]
    return {task: found["at_1"] for task, found in scores.items() if found["at_1"] is not None}


def evaluation_scores(lake: DataLake) -> list[dict[str, Any]]:
    """For each split and task the scores of the evaluation report, with the split's name for visitors."""
    splits = (evaluation_report(lake) or {"splits": {}})["splits"]
    return [
        {"at_1_interval": None, **scores, "split": name, "task": task}
        for split, name in _SPLITS.items()
        for task, scores in splits.get(split, {}).get("classification", {}).items()
        if scores["at_1"] is not None
    ]


def completeness(catalogue: "Catalogue") -> list[tuple[str, float]]:
    """For each column that people filter on, the share of works that have a value."""
    columns = (*catalogue.collection.tasks, "school", "year_from", "technique", "location")
    works = catalogue.snapshot.columns(columns)
    shares = [(name, 1 - works[name].null_count() / max(1, works.height)) for name in columns]
    return [(name.removesuffix("_from"), share) for name, share in shares]


def image_outcomes(lake: DataLake) -> list[tuple[str, int]]:
    """How many image downloads ended in each status, the most frequent first."""
    try:
        images = open_lance(lake.lance_table(IMAGES_TABLE))
        statuses = None if images is None else images.to_table(columns=["status"])["status"]
    except (ValueError, OSError, KeyError):
        statuses = None
    if statuses is None:
        return []
    return sorted(Counter(statuses.to_pylist()).items(), key=lambda pair: (-pair[1], pair[0]))


def model_card(lake: DataLake) -> dict[str, Any] | None:
    """The card of the served model; its id alone where the card is missing."""
    model_id = served_model_id(lake)
    if model_id is None:
        return None
    # Read as JSON: `artpipe.models.checkpoint` would import torch for it.
    return (_read_json(lake.model(model_id) / CARD_FILE) or {}) | {"model_id": model_id}


def training_rights(card: Mapping[str, Any] | None) -> str:
    """The rights of the served model's training pictures in words; empty where no source tells them."""
    return rights_in_words(TrainingRights(**one) for one in (card or {}).get("rights", ()))


def update_times(lake: DataLake) -> list[tuple[str, datetime]]:
    """When each step last completed, the latest first; steps that never completed are left out."""
    lineage = Lineage(lake)
    records = [(step, lineage.read(asset)) for step, asset in _STEPS.items()]
    times = [(step, datetime.fromisoformat(record.made_at)) for step, record in records if record]
    return sorted(times, key=lambda part: part[1], reverse=True)


def mismatches(lake: DataLake, catalogue: "Catalogue") -> list[str]:
    """Which of the served parts do not match, with the asset to materialise; empty where all do."""
    found: list[str] = []
    served = served_model_id(lake)
    if served is not None and catalogue.collection.model_ids != [served]:
        found.append("The embeddings were made by an earlier model than the served one (embeddings).")
    index = read_card(lake)
    if index is not None and index.content_version != catalogue.snapshot.content_version:
        if catalogue.collection.index.nearest.kind == LanceSearch.kind:
            found.append(
                "The search index does not know the newest works, which are compared one by one (search_index)."
            )
        else:
            found.append("The search index was built from other vectors and is not used (search_index).")
    report = evaluation_report(lake)
    if report is not None and report["model_id"] != measured_model_id(lake):
        found.append("The evaluation report is about an earlier model (evaluation_report).")
    if not catalogue.has_words:
        found.append("There is no text index, so words cannot be searched (text_index).")
    places = read_table_if_exists(lake, "art_map")
    works = catalogue.snapshot.rows
    unplaced = works.height if places is None else works.join(places, on="artwork_id", how="anti").height
    if unplaced:
        found.append(f"{unplaced:,} works are not on the map yet (art_map).")
    return found


def _read_json(path: "UPath") -> dict[str, Any] | None:
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
