"""Harvests a repository of OAI-PMH page by page, and later only what changed.

Each page is kept as it was sent. `state.json` says which pages make the records of now; it is written when a harvest
is complete. `.unfinished.json` holds the token by which a killed harvest goes on.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from pydantic import TypeAdapter

from artpipe.crawler.outcome import Outcome
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import remove_file, write_whole
from artpipe.sources.oai_xml import NotOaiError, Page, parsed_page

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

MAX_EMPTY = 100
"""Some repositories send pages of which they filtered every record; after so many in a row nothing more is expected."""
STATE, UNFINISHED = "state.json", ".unfinished.json"
NEXT_STEP = "delete the folder and refresh again, which harvests everything."


class UnreadableOaiError(ArtpipeError):
    """A repository that could not be harvested."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a repository; another question begins another state."""

    url: str
    prefix: str
    set: str | None


@dataclass(frozen=True)
class Harvest:
    """One list of records.

    Attributes:
        number: from 1; its pages are named after it.
        since: the datestamp from which records were asked for; None: all of them.
        until: the repository's clock when the harvest began.
        pages: the hash of each page.
        records: a hash of its records, in order; the same however they are split into pages.
        token: asks for the next page; None when it is complete, or has not begun. A harvest of the state that has one
            ended at the limit of pages.
        restarts: how often the repository forgot where the harvest was.
        is_endless: whether it was ended because page after page brought nothing new.
    """

    number: int
    since: str | None = None
    until: str | None = None
    pages: tuple[str, ...] = ()
    records: str = ""
    token: str | None = None
    restarts: int = 0
    is_endless: bool = False

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its pages."""
        return tuple(page_name(self.number, page) for page in range(1, len(self.pages) + 1))


@dataclass(frozen=True)
class State:
    """What was harvested: everything once, and the changes since."""

    asked: Asked
    harvests: tuple[Harvest, ...] = ()
    deleted: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the pages in the order in which their records count; a later record replaces an earlier one."""
        return tuple(name for harvest in self.harvests for name in harvest.files)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for a person."""
        restarts = sum(harvest.restarts for harvest in self.harvests)
        notes = [f"the repository forgot {restarts:,} times where a harvest was, which then began again"] * bool(
            restarts
        )
        if pages := next((len(harvest.pages) for harvest in self.harvests if harvest.token), None):
            notes.append(
                f"only the first {pages:,} pages of the list were harvested (`max_pages`); raise it, and the next "
                "refresh goes on from there"
            )
        if any(harvest.is_endless for harvest in self.harvests):
            notes.append(
                "the repository went on sending pages without a new record, which ended the harvest; tell the "
                "repository"
            )
        if self.deleted == "transient":
            notes.append("the repository tells of deleted records for a while only; `harvest: all` misses none")
        if self.deleted == "no" and len(self.harvests) > 1:
            notes.append("the repository does not tell of deleted records; `harvest: all` finds them out")
        return tuple(notes)


def page_name(harvest: int, page: int) -> str:
    """The name of the file of a page."""
    return f"{harvest:04d}-{page:06d}.xml"


def read_state(folder: "UPath", asked: Asked) -> State:
    """What was harvested for this question; an empty state where nothing was."""
    try:
        state = TypeAdapter(State).validate_json((folder / STATE).read_bytes())
    except (OSError, ValueError):
        return State(asked)
    return state if state.asked == asked else State(asked)


def harvest(
    client: "GalleryClient",
    folder: "UPath",
    asked: Asked,
    wanted: Literal["auto", "changes", "all"],
    progress: "Progress",
    *,
    max_pages: int,
) -> None:
    """Bring the pages of a repository up to date.

    Args:
        client: sends the requests.
        folder: where the pages are kept.
        asked: what is asked of the repository.
        wanted: whether the changes since the last time are asked for, or all records; `auto`: changes, unless the
            repository does not tell of deleted records.
        progress: advances with each page.
        max_pages: where a list that does not end is left; its records until there count.

    Raises:
        UnreadableOaiError: the repository refused, or did not answer.
    """
    state = read_state(folder, asked)
    repository = _Repository(client, asked)
    about = repository.ask({"verb": "Identify"}).about
    deleted = about.get("deletedRecord", "no")
    by_changes = wanted == "changes" or (wanted == "auto" and deleted != "no")
    base = tuple(each for each in state.harvests if each.token is None) if by_changes else ()
    since = _datestamp(base[-1].until, about.get("granularity", "")) if base else None
    begun = _unfinished(folder, asked, since)
    if begun and len(begun.pages) >= max_pages:
        begun = None  # at the limit still: the pages until there may have changed
    number = max((each.number for each in state.harvests), default=0) + 1
    done = _list_records(repository, folder, begun or Harvest(number, since), progress, max_pages)
    if done.since is None and not done.pages:
        raise UnreadableOaiError(
            f"{asked.url} has no records{f' in the set {asked.set}' if asked.set else ''}; check `set` and `prefix`."
        )
    # Pages say when they were sent, so that the same records make other files.
    held = base[-1] if base else state.harvests[0] if len(state.harvests) == 1 else None
    is_held = (
        held is not None
        and held.records == done.records
        and (held.token is None) == (done.token is None)
        and _is_whole(folder, held)
    )
    if done.pages and not is_held:
        state = State(asked, (*base, done), deleted)
        write_whole(folder / STATE, TypeAdapter(State).dump_json(state, indent=1))
    for file in folder.glob("*.xml"):
        if file.name not in state.files:
            remove_file(file)
    if done.token is None:
        remove_file(folder / UNFINISHED)


@dataclass(frozen=True)
class _Unfinished:
    asked: Asked
    harvest: Harvest


def _unfinished(folder: "UPath", asked: Asked, since: str | None) -> Harvest | None:
    """The harvest that was not finished, if it asked the same."""
    try:
        found = TypeAdapter(_Unfinished).validate_json((folder / UNFINISHED).read_bytes())
    except (OSError, ValueError):
        return None
    is_asked = found.asked == asked and found.harvest.since == since and found.harvest.token
    return found.harvest if is_asked and _is_whole(folder, found.harvest) else None


def _is_whole(folder: "UPath", harvest: Harvest) -> bool:
    """Whether its pages are there as they were written."""
    try:
        return harvest.pages == tuple(_hash((folder / name).read_bytes()) for name in harvest.files)
    except OSError:
        return False


def _list_records(
    repository: "_Repository", folder: "UPath", begun: Harvest, progress: "Progress", max_pages: int
) -> Harvest:
    """Ask for page after page; the harvest with all of its pages, and with a token where it was left at the limit."""
    first: dict[str, str] = {"verb": "ListRecords", "metadataPrefix": repository.asked.prefix}
    if begun.since:
        first["from"] = begun.since
    if repository.asked.set:
        first["set"] = repository.asked.set
    at, has_restarted, tokens = begun, False, set[str]()
    seen, empty = set[int](), 0
    with progress.track("records", 0, "pages") as step:
        while True:
            query = {"verb": "ListRecords", "resumptionToken": at.token} if at.token else first
            page = repository.ask(query)
            code = page.error[0] if page.error else ""
            if code == "badResumptionToken" and at.token and not has_restarted:
                at, has_restarted = Harvest(begun.number, begun.since, restarts=at.restarts + 1), True
                tokens.clear()
                seen.clear()
                continue
            if code == "noRecordsMatch":
                break
            repository.refuse(page)
            hashes = [each.hash for each in page.records]
            new = set(map(hash, hashes)) - seen
            seen |= new
            empty = 0 if hashes else empty + 1
            if page.token and ((hashes and not new) or empty >= MAX_EMPTY):
                at = replace(at, token=None, is_endless=True)
                break
            body, number = repository.body, len(at.pages) + 1
            write_whole(folder / page_name(at.number, number), body)
            at = replace(
                at,
                until=at.until or page.date,
                pages=(*at.pages, _hash(body)),
                token=page.token,
                records=reduce(_hash_after, hashes, at.records or _hash(b"")),
            )
            step.advance()
            if page.token is None:
                break
            if page.token in tokens:
                at = replace(at, token=None, is_endless=True)
                break
            tokens.add(page.token)
            unfinished = TypeAdapter(_Unfinished).dump_json(_Unfinished(repository.asked, at))
            write_whole(folder / UNFINISHED, unfinished)
            if len(at.pages) >= max_pages:
                return at
    return replace(at, token=None)


@dataclass
class _Repository:
    """Sends questions to a repository; `body` is its last answer."""

    client: "GalleryClient"
    asked: Asked
    body: bytes = field(default=b"", init=False)

    def ask(self, query: Mapping[str, str]) -> Page:
        """The answer to a question, which may be an error of the protocol.

        Raises:
            UnreadableOaiError: there is none.
        """
        address = f"{self.asked.url}{'&' if '?' in self.asked.url else '?'}{urlencode(query)}"
        response = self.client.get(address)
        if response.outcome is not Outcome.OK:
            raise UnreadableOaiError(
                f"{address} could not be read: {response.error or response.outcome}; what came before is kept, so "
                "check `url`, or try again later."
            )
        self.body = response.body
        try:
            page = parsed_page(response.body, address)
        except NotOaiError as error:
            raise UnreadableOaiError(str(error)) from error
        if query["verb"] == "Identify":
            self.refuse(page)
        return page

    def refuse(self, page: Page) -> None:
        """Raise what the repository said is wrong.

        Raises:
            UnreadableOaiError: something is.
        """
        if page.error is None:
            return
        code, text = page.error
        advice = {
            "badArgument": "check `prefix`, `set` and `url`",
            "badResumptionToken": "the repository lost its place twice, so try again later",
            "badVerb": "check that `url` is the base address of the repository, without `?verb=`",
            "cannotDisseminateFormat": f"`{self.asked.url}?verb=ListMetadataFormats` lists what `prefix` may be",
            "noSetHierarchy": "the repository has no sets, so remove `set`",
        }.get(code, "ask the repository")
        raise UnreadableOaiError(f"{self.asked.url} answered {code or 'an error'} ({text or 'no reason'}); {advice}.")


def _datestamp(date: str | None, granularity: str) -> str | None:
    """A time of the repository as it takes datestamps: days, or seconds."""
    if not date:
        return None
    return date if granularity.endswith("Z") else date[:10]


def _hash_after(before: str, following: str) -> str:
    return _hash(f"{before}{following}".encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
