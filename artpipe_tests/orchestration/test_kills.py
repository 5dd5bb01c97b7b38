"""A refresh killed half-way in each asset, one after another: the next goes on, and no row is doubled or lost."""

import json
import subprocess
import sys
from collections import Counter

from artpipe.images.store import ImageStore
from artpipe.search import Collection

# Where the process dies: in the named asset, at the call of the named function that is counted there.
KILLS = [
    ("raw_catalog", "artpipe.sources.roots:write_whole", 2),
    ("artworks", "artpipe.orchestration.storage:write_table", 2),
    ("wanted_images", "artpipe.orchestration.storage:write_table", 1),
    ("images", "artpipe.images.fetch:decode_artwork", 4),
    ("images", "artpipe.images.store:ImageStore.compact", 1),
    ("splits", "artpipe.orchestration.storage:write_table", 1),
    ("training_set", "artpipe.orchestration.lineage:Lineage.complete", 1),
    ("classifier", "artpipe.models.checkpoint:RunCheckpoint.save", 2),
    ("classifier", "artpipe.training.loop:save_model", 1),
    ("served_model", "artpipe.serving.choice:write_pointer", 1),
    ("embeddings", "artpipe.embedding.table:EmbeddingTable.upsert", 1),
    ("embeddings", "artpipe.embedding.table:EmbeddingTable.optimize", 1),
    ("evaluation_report", "artpipe.evaluation.assets:write_whole", 2),
    ("search_index", "artpipe.search.index:save_index", 1),
    ("text_index", "artpipe.search.text:build_text_index", 1),
    ("art_map", "artpipe.orchestration.storage:write_table", 1),
]

DYING = """
import importlib, json, os, sys
from rich.console import Console
from artpipe.orchestration.runner import RefreshOptions, refresh
from artpipe.settings import Settings

asset, place, count, settings = sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4])
module, _, path = place.partition(":")
owner = importlib.import_module(module)
*above, name = path.split(".")
for part in above:
    owner = getattr(owner, part)
usual, calls = getattr(owner, name), 0

def dying(*args, **kwargs):
    global calls
    calls += 1
    if calls == count:
        os._exit(9)
    return usual(*args, **kwargs)

setattr(owner, name, dying)
import artpipe.definitions
refresh(Settings(**settings), RefreshOptions(select=f'+key:"{asset}"' if asset else None), Console(quiet=True))
"""


def test_a_refresh_killed_in_every_asset_goes_on_where_it_was(upkeep):
    before = set(ImageStore(upkeep.lake).outcomes()["artwork_id"])
    added = upkeep.gallery.add_like(upkeep.works()[0], count=8)
    settings = {"epochs": 3}
    told = json.dumps(json.loads(upkeep.settings(**settings).model_dump_json()))
    upkeep.gallery.forget_requests()
    for asset, place, count in KILLS:
        done = subprocess.run([sys.executable, "-c", DYING, asset, place, str(count), told], check=False)
        assert done.returncode == 9, f"the refresh did not die in {asset} at {place}"
    sent = Counter(upkeep.gallery.bodies())

    from rich.console import Console

    from artpipe.orchestration.runner import RefreshOptions, refresh

    report = refresh(upkeep.settings(**settings), RefreshOptions(), Console(quiet=True))
    assert {"raw_catalog", "art_map"} <= set(report.ran)
    assert ImageStore(upkeep.lake).outcomes()["artwork_id"].to_list() == sorted(before | set(added))
    usable = upkeep.table("splits")["artwork_id"].to_list()
    assert set(added) <= set(usable)
    assert Collection.open(upkeep.lake).works["artwork_id"].to_list() == sorted(usable)
    assert len(Collection.open(upkeep.lake).model_ids) == 1
    # The first death in `images` came before anything was stored; what was stored then was not asked for again.
    assert max(count for path, count in sent.items() if path.startswith("/art/")) <= 2
    again = refresh(upkeep.settings(**settings), RefreshOptions(), Console(quiet=True))
    assert set(again.ran) == {"raw_catalog", "raw_artists"}
