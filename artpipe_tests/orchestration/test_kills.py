"""A refresh killed half-way in each asset, one after another: the next goes on, and no row is doubled or lost."""

import functools
import importlib
import itertools
import multiprocessing
import os
from collections import Counter

from rich.console import Console

from artpipe.definitions import build_definitions
from artpipe.images.store import ImageStore
from artpipe.orchestration.runner import RefreshOptions, refresh
from artpipe.search import Collection
from artpipe.settings import Settings
from artpipe_tests.fixtures.small_training import made_quickly

# Where the process dies: in the named asset, at the call of the named function that is counted there.
KILLS = [
    ("raw_catalog", "artpipe.sources.download:write_whole", 2),
    ("artworks", "artpipe.orchestration.storage:write_table", 2),
    ("wanted_images", "artpipe.orchestration.storage:write_table", 1),
    ("images", "artpipe.images.fetch:decode_artwork", 4),
    ("images", "artpipe.images.store:ImageStore.maintain", 1),
    ("splits", "artpipe.orchestration.storage:write_table", 1),
    ("training_set", "artpipe.orchestration.lineage:Lineage.complete", 1),
    ("classifier", "artpipe.models.checkpoint:RunCheckpoint.save", 2),
    ("classifier", "artpipe.training.loop:save_model", 1),
    ("served_model", "artpipe.serving.choice:write_pointer", 1),
    ("refitted_model", "artpipe.models.checkpoint:RunCheckpoint.save", 1),
    ("refitted_model", "artpipe.serving.refit:write_refit", 1),
    ("embeddings", "artpipe.embedding.table:EmbeddingTable.upsert", 1),
    ("embeddings", "artpipe.embedding.table:EmbeddingTable.optimize", 1),
    ("evaluation_report", "artpipe.evaluation.assets:write_whole", 2),
    ("search_index", "artpipe.search.index:save_card", 1),
    ("text_index", "artpipe.search.text:build_text_index", 1),
    ("art_map", "artpipe.orchestration.storage:write_table", 1),
]

SLOW_TO_IMPORT = [
    "artpipe.definitions",
    "torch",
    "torchvision",
    "timm",
    "matplotlib.pyplot",
    "cv2",
    "lance",
    "lance_namespace",
]
"""Imported once, by the process that the dying are forked from. lancedb itself is not: importing it starts a thread."""


def refresh_and_die(asset: str, place: str, count: int, settings: Settings) -> None:
    """Refresh up to an asset, and end the process at that call of a function as a power cut would."""
    module, _, path = place.partition(":")
    *above, name = path.split(".")
    owner = functools.reduce(getattr, above, importlib.import_module(module))
    original, calls = getattr(owner, name), itertools.count(1)

    def dying(*args: object, **kwargs: object) -> object:
        if next(calls) == count:
            os._exit(9)
        return original(*args, **kwargs)

    setattr(owner, name, dying)
    with made_quickly():
        refresh(build_definitions(settings), settings, RefreshOptions(select=f'+key:"{asset}"'), Console(quiet=True))


def test_a_refresh_killed_in_every_asset_goes_on_where_it_was(upkeep):
    before = set(ImageStore(upkeep.lake).outcomes()["artwork_id"])
    added = upkeep.gallery.add_like(upkeep.works()[0], count=8)
    settings = {"epochs": 3}
    upkeep.gallery.forget_requests()
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(SLOW_TO_IMPORT)
    for asset, place, count in KILLS:
        dying = processes.Process(target=refresh_and_die, args=(asset, place, count, upkeep.settings(**settings)))
        dying.start()
        dying.join()
        assert dying.exitcode == 9, f"the refresh did not die in {asset} at {place}"
    sent = Counter(upkeep.gallery.bodies())

    report = upkeep.refresh(**settings)
    assert {"raw_catalog", "art_map"} <= set(report.ran)
    assert ImageStore(upkeep.lake).outcomes()["artwork_id"].to_list() == sorted(before | set(added))
    usable = upkeep.table("splits")["artwork_id"].to_list()
    assert set(added) <= set(usable)
    assert Collection.open(upkeep.lake).works["artwork_id"].to_list() == sorted(usable)
    assert len(Collection.open(upkeep.lake).model_ids) == 1
    # The first death in `images` came before anything was stored; what was stored then was not asked for again.
    assert max(count for path, count in sent.items() if path.startswith("/art/")) <= 2
    again = upkeep.refresh(**settings)
    assert set(again.ran) == {"raw_catalog", "raw_artists"}
