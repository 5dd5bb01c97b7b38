"""Several servers at one address: what one begins, the next one can go on with."""

from collections.abc import Iterator

import pytest
import requests

from artpipe.lake.paths import DataLake
from artpipe_tests.fixtures.replicas import RoundRobin, two_servers


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory, described_works_written) -> Iterator[RoundRobin]:
    lake = tmp_path_factory.mktemp("replicas") / "lake"
    described_works_written(DataLake(lake), 6)
    with two_servers(lake) as proxy:
        yield proxy


def twice(replicas: RoundRobin, path: str) -> list[requests.Response]:
    """The answers of both servers."""
    answers = [requests.get(replicas.url + path, timeout=60) for _ in range(2)]
    assert len(set(replicas.served[-2:])) == 2
    return answers


def test_the_results_of_a_picture_are_whole_on_each_server_at_once(replicas: RoundRobin, blots):
    accept = {"Accept": "application/json"}
    sent = requests.post(f"{replicas.url}/search", files={"picture": blots(0)}, headers=accept, timeout=60).json()
    pages = [answer.text for answer in twice(replicas, sent["address"])]
    assert all("In the collection" in page and "data-comparing" not in page for page in pages)
    answers = [answer.json() for answer in twice(replicas, f"/api/search?image={sent['token']}")]
    assert [answer["same_painting"]["artwork_id"] for answer in answers] == ["d/durer/work000"] * 2


@pytest.mark.parametrize(
    "path",
    [
        "/works/d/durer/work000",
        "/artists",
        "/images/d/durer/work001.jpg",
        "/map",
        "/api/search/hits.csv?style=Baroque",
        "/sitemap.xml",
    ],
)
def test_each_server_gives_the_same_answer(replicas: RoundRobin, path: str):
    here, there = twice(replicas, path)
    assert here.status_code == there.status_code == 200
    assert here.content == there.content
    assert here.headers.get("etag") == there.headers.get("etag")
