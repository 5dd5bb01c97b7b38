"""Finds works by what they look like, in words that the catalogue taught: how well, against chance.

    python artpipe_tests/benchmarks/bench_looks.py LAKE [--sheet PICTURE WORD ...]

Works that the model learned from teach the words, and the others are searched. Where it learned from all, as a refit
did, the works are cut into folds by artist, and words that are labels are found better than they would be in new works.
A work's own title, without the names of its artist, should find it; a word should find the works that have it in their
title. `--sheet` draws the ten works that look most like each word and whose own text lacks it, for a look.
"""

import argparse
import io

import numpy as np
import polars as pl
from PIL import Image

from artpipe.embedding.table import EmbeddingTable, tasks_of_table
from artpipe.lake.paths import DataLake
from artpipe.models.learned import load_learned
from artpipe.search import Collection
from artpipe.search.text_encoder import TextEncoder, UnknownWordsError, stems
from artpipe.search.text_encoder_fit import fit_text_encoder
from artpipe.splits.assign import hash_fraction

FOLDS, MIN_HELD_OUT = 5, 200
SHOWN, SIDE_PX = 10, 150


def measured(lake: DataLake, works: pl.DataFrame, vectors: np.ndarray, texts: list[str]) -> None:
    """Print the tables."""
    learned = load_learned(lake.model(works["model_id"][0]))
    trained = [] if learned is None else learned.filter(split="train")["artwork_id"].to_list()
    folds = works["artwork_id"].is_in(trained).cast(pl.Int64()).to_numpy()  # the others are searched
    searched = [0]
    if (folds == 0).sum() < MIN_HELD_OUT:
        folds = np.array([int(hash_fraction("bench_looks", "artist", who or "") * FOLDS) for who in works["artist_id"]])
        searched = list(range(FOLDS))
    ranks: list[float] = []
    sizes: list[int] = []
    found: dict[str, list[tuple[float, float]]] = {}
    for fold in searched:
        inside = np.flatnonzero(folds == fold)
        others = np.flatnonzero(folds != fold)
        encoder = fit_text_encoder("", works[others.tolist()], vectors[others], texts)
        own = [set(stems(name or "")) for name in works["artist"][inside.tolist()]]
        titles = [
            [word for word in stems(title or "") if word not in names]
            for title, names in zip(works["title"][inside.tolist()], own, strict=True)
        ]
        for place, words in enumerate(titles):
            try:
                scores = vectors[inside] @ encoder.encode(" ".join(words)).vector
            except UnknownWordsError:
                continue
            ranks.append(float((scores > scores[place]).sum()))
            sizes.append(len(inside))
        for word, stem in zip(encoder.words, encoder.stems, strict=True):
            has = np.array([stem in words for words in titles])
            if has.sum() >= SHOWN // 2:
                best = np.argsort(-(vectors[inside] @ encoder.encode(str(word)).vector))[:SHOWN]
                found.setdefault(str(word), []).append((has[best].mean(), has.mean()))
    chance = np.mean([SHOWN / size for size in sizes])
    print(f"{len(searched)} x {np.mean(sizes):.0f} works, taught by {works.height - np.mean(sizes):.0f}")
    print(f"{len(ranks):,} titles with a known word: recall@{SHOWN} {np.mean(np.array(ranks) < SHOWN):.3f}", end="")
    print(f" (chance {chance:.3f}), median place {np.median(ranks) + 1:.0f} of {np.mean(sizes):.0f}")
    rows = [(word, *np.mean(each, axis=0).round(3)) for word, each in found.items()]
    table = pl.DataFrame(rows, schema=["word", f"precision@{SHOWN}", "by chance"], orient="row")
    mean = table.select(pl.col(pl.Float64).mean())
    print(f"{table.height} words of titles: precision@{SHOWN} {mean.item(0, 0):.3f}, by chance {mean.item(0, 1):.3f}")
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_formatting="ASCII_MARKDOWN"):
        print(table.sort(f"precision@{SHOWN}", descending=True).head(25))


def sheet(lake: DataLake, encoder: TextEncoder, works: pl.DataFrame, vectors: np.ndarray, path: str, words: list[str]):
    """Draw the works that look like words and do not say so."""
    drawn = Image.new("RGB", (SHOWN * SIDE_PX, len(words) * SIDE_PX), "white")
    collection = Collection.open(lake)
    for row, word in enumerate(words):
        says = np.array([bool(set(stems(word)) & set(stems(title or ""))) for title in works["title"]])
        best = np.argsort(-(vectors @ encoder.encode(word).vector) + 10 * says, kind="stable")[:SHOWN]
        for column, place in enumerate(best):
            picture = Image.open(io.BytesIO(collection.image(works["artwork_id"][int(place)]))).convert("RGB")
            picture.thumbnail((SIDE_PX - 2, SIDE_PX - 2))
            drawn.paste(picture, (column * SIDE_PX, row * SIDE_PX))
    drawn.save(path)
    print(f"{path}: {', '.join(words)}")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("--sheet", nargs="+", metavar="PICTURE WORD")
    options = parser.parse_args()
    lake = DataLake(options.lake)
    table = EmbeddingTable(lake)
    works, vectors = table.read(), table.vectors()[1]
    texts = ["title", "school", *tasks_of_table(works.columns)]
    encoder = fit_text_encoder("", works, vectors, texts)
    print(f"{len(encoder.words)} words are known by looks: {', '.join(encoder.best_words)}")
    measured(lake, works, vectors, texts)
    if options.sheet:
        sheet(lake, encoder, works, vectors, options.sheet[0], options.sheet[1:])


if __name__ == "__main__":
    main()
