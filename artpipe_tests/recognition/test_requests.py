"""What asking about many pictures costs in a lake in a bucket."""

from pathlib import Path

import pytest

from artpipe.lake.paths import DataLake
from artpipe.recognition.feature_index import build_feature_index
from artpipe.search import Collection
from artpipe_tests.fixtures.paintings import painting
from artpipe_tests.fixtures.s3_server import Bucket
from artpipe_tests.recognition.test_same_painting import BlindModel, embed

WORKS = {f"p/painter/work{n:02}": n for n in range(24)}
UNKNOWN = range(50, 56)
MAX_TO_OPEN, MAX_REQUESTS = 50, 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked") / "lake"
    lake = DataLake(folder)
    embed(lake, WORKS)
    build_feature_index(lake, queries=12)
    return folder


def test_many_pictures_are_compared_with_few_requests_and_as_each_by_itself(made: Path, bucket: Bucket):
    address = f"{bucket.address}/lake"
    lake = DataLake(address)
    lake.root.fs.put(f"{made}/", f"{address}/", recursive=True)
    photographs = [painting(seed) for seed in (*WORKS.values(), *UNKNOWN)]

    collection = Collection(lake, BlindModel())
    bucket.requests.clear()
    collection.same_paintings(photographs[:1])
    assert len(bucket.requests) <= MAX_TO_OPEN, bucket.requests

    bucket.requests.clear()
    together = collection.same_paintings(photographs)
    assert len(bucket.requests) <= MAX_REQUESTS, bucket.requests
    assert [match.artwork_id for match in together if match] == list(WORKS)
    one_by_one = Collection(DataLake(made), BlindModel())
    assert [repr(match) for match in together] == [repr(one_by_one.same_painting(each)) for each in photographs]
