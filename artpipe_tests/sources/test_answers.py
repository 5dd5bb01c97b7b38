"""APIs that are asked about each record: what is kept of the answers, and when."""

from collections.abc import Iterator

import pytest
from upath import UPath

from artpipe.crawler.outcome import Outcome, Request, Response
from artpipe.progress import SilentProgress
from artpipe.sources.answers import ask_about


class Api:
    """Answers until it is killed."""

    def __init__(self, folder: UPath, dies_after: int | None = None) -> None:
        self.folder, self.dies_after = folder, dies_after
        self.asked: list[str] = []
        self.contents: list[dict[str, bytes]] = []

    def get_many(self, requests: Iterator[Request]) -> Iterator[tuple[Request, Response]]:
        for request in requests:
            if len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            if len(self.asked) % 250 == 0 and self.folder.exists():
                self.contents.append({file.name: file.read_bytes() for file in self.folder.iterdir()})
            self.asked.append(request.url)
            yield request, Response(Outcome.OK, 200, b"{}")


@pytest.fixture
def folder(tmp_path) -> UPath:
    return UPath(tmp_path / "api")


def ask(api: Api, count: int, changed: str = "a") -> None:
    wanted = {f"http://museum.example/{number}": changed for number in range(count)}
    ask_about(api, wanted, api.folder, "api", SilentProgress())


def test_what_is_kept_of_the_answers_is_not_written_again_while_more_come(folder):
    api = Api(folder)
    ask(api, 3000)
    written = set().union(*(set(content.values()) for content in api.contents))
    assert len(written) >= 3
    assert sum(map(len, written)) <= len((folder / "answers.jsonl").read_bytes())
    assert [file.name for file in folder.iterdir()] == ["answers.jsonl"]


def test_a_killed_download_goes_on_from_the_answers_that_are_kept(folder):
    dies, goes_on, again = Api(folder, 1700), Api(folder, 900), Api(folder)
    for api in (dies, goes_on):
        with pytest.raises(KeyboardInterrupt):
            ask(api, 3000)
    ask(again, 3000)
    assert len({*dies.asked, *goes_on.asked, *again.asked}) >= 3000
    assert len(goes_on.asked) + len(again.asked) < 3000
    assert len(again.asked) < 1500
    ask(nothing := Api(folder), 3000)
    assert nothing.asked == []


def test_a_killed_download_of_what_changed_keeps_the_answers_of_before(folder):
    ask(Api(folder), 700)
    before = (folder / "answers.jsonl").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        ask(Api(folder, 600), 700, "b")
    assert (folder / "answers.jsonl").read_bytes() == before
    ask(again := Api(folder), 700, "b")
    assert len(again.asked) < 700
