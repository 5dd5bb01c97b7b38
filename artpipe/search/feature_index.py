"""Everything that `same_painting.py` decides by, built in one go: features, visual words, and their calibration."""

from dataclasses import replace

from artpipe.embedding.table import EmbeddingTable, content_version
from artpipe.lake import DataLake
from artpipe.progress import Progress
from artpipe.search.calibration import strangers
from artpipe.search.feature_table import FeatureTable
from artpipe.search.pictures import StoredPictures
from artpipe.search.visual_words import build_visual_words, open_visual_words, save_visual_words


def build_feature_index(lake: DataLake, progress: Progress | None = None) -> dict[str, int]:
    """Describe every embedded picture that is new or changed, and index and calibrate anew if the pictures changed.

    Returns:
        how many pictures are described, how many of them in this run, how many features they have, and from how many
        agreeing points on a picture is taken for a held painting.
    """
    from artpipe.search.same_painting import least_inliers

    works = EmbeddingTable(lake).read(["artwork_id", "work_id", "jpeg_sha256", "model_id"])
    version = content_version(works)
    table = FeatureTable(lake)
    described = table.update(progress)
    words = open_visual_words(lake, version)
    if words is None:
        work_of = {name: work or name for name, work in works.select("artwork_id", "work_id").iter_rows()}
        words = build_visual_words(table)
        words = replace(words, strangers=strangers(words, table, StoredPictures(lake), work_of))
        save_visual_words(lake, words, version)
    return {
        "described": table.count(),
        "described_now": described,
        "features": len(words.works),
        "least_inliers": least_inliers(words.strangers),
    }
