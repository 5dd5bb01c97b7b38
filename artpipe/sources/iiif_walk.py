"""Downloads what a IIIF address leads to: collections, their pages and members, or a stream of changes.

Each file is kept as it was sent, under a name made from its address, and requested conditionally; `index.json` says
which manifests the source has now. It is written last, so that a killed download leaves the old state, and the next one
asks conditionally for what that one had got.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from artpipe.crawler.outcome import Outcome
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import remove_file, write_whole
from artpipe.sources.download import OneOfMany, download_files
from artpipe.sources.iiif_changes import changes_since
from artpipe.sources.iiif_document import MANIFEST, MAX_DEPTH, STREAM, Change, Document, document, info_document
from artpipe.sources.remarks import Remarks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

MAX_FAILURES = 20
"""After so many failures in a row, a host is left alone."""
INDEX = "index.json"
_OWN = re.compile(r"[0-9a-f]{32}\.json(?:\.json)?")


class UnreadableIiifError(ArtpipeError):
    """The address of a IIIF source could not be read."""


@dataclass(frozen=True)
class Entry:
    """A manifest that the source names.

    Attributes:
        url: its address.
        file: the name of its file; None where there is none.
        sha256: of that file.
        reason: why there is none.
        work: the work that it is a part of, where its collection says that.
        modified: when it changed, where the source says that.
        stream: the stream of changes that names it, if one does.
        is_current: whether the source answered about it the last time; else its file is an older one.
    """

    url: str
    file: str | None = None
    sha256: str | None = None
    reason: str | None = None
    work: str | None = None
    modified: str | None = None
    stream: str | None = None
    is_current: bool = True


@dataclass(frozen=True)
class Index:
    """What the source has now.

    Attributes:
        entries: its manifests, in order.
        services: the file of each `info.json` that was asked for, by the address of the service.
        until: the time of the last change of a stream that was followed, by its address.
        notes: remarks for a person.
    """

    entries: tuple[Entry, ...] = ()
    services: Mapping[str, str] = field(default_factory=dict[str, str])
    until: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Place:
    """An address to be asked for.

    Attributes:
        url: the address.
        depth: how deep it lies.
        above: the collections that it lies below.
        work: the work that it is a part of.
        listed: what the pages before it have listed; None where it is no further page of a collection.
    """

    url: str
    depth: int = 0
    above: tuple[str, ...] = ()
    work: str | None = None
    listed: set[str] | None = None


def read_index(folder: "UPath") -> Index | None:
    """The index of a folder; None where there is none that can be read."""
    try:
        return TypeAdapter(Index).validate_json((folder / INDEX).read_bytes())
    except (OSError, ValueError):
        return None


def file_name(url: str) -> str:
    """The name of the file of an address."""
    return f"{hashlib.sha256(url.encode('utf-8', 'replace')).hexdigest()[:32]}.json"


def walk(
    client: "GalleryClient",
    folder: "UPath",
    roots: Iterable[str],
    progress: "Progress",
    *,
    with_info: bool,
    max_pages: int,
) -> None:
    """Bring the files below some addresses up to date, and write the index.

    Args:
        client: sends the requests.
        folder: where the files are kept.
        roots: addresses of manifests, collections and streams.
        progress: advances with each file.
        with_info: whether image services are asked for their `info.json`.
        max_pages: where collections and streams that do not end are left; what they named until there counts.

    Raises:
        UnreadableIiifError: a root, or a page of a stream, could not be read, or a host failed again and again.
    """
    running = _Walk(client, folder, progress, read_index(folder) or Index(), max_pages)
    index = running.run(tuple(roots), with_info=with_info)
    text = json.dumps(asdict(index), indent=1, ensure_ascii=False)
    write_whole(folder / INDEX, text.encode("utf-8", "replace"))
    used = running.used | {entry.file for entry in index.entries} | set(index.services.values())
    for file in folder.iterdir():
        if _OWN.fullmatch(file.name) and file.name[: len(file_name(""))] not in used:
            remove_file(file)


class _Walk:
    """One download."""

    def __init__(
        self, client: "GalleryClient", folder: "UPath", progress: "Progress", old: Index, max_pages: int
    ) -> None:
        self.max_pages, self.pages = max_pages, 0
        self.client, self.folder, self.progress, self.old = client, folder, progress, old
        self.entries: dict[str, Entry] = {}
        self.services: dict[str, None] = {}
        self.until: dict[str, str] = {}
        self.visited: set[str] = set()
        self.remarks = Remarks()
        self.failures = 0
        self.used: set[str] = set()

    def run(self, roots: tuple[str, ...], *, with_info: bool) -> Index:
        wave = [_Place(url) for url in dict.fromkeys(roots)]
        while wave:
            self.visited.update(place.url for place in wave)
            answers = {answer.url: answer for answer in self.ask([place.url for place in wave], document)}
            following = [place for at in wave for place in self.take(at, answers[at.url], is_root=at.url in roots)]
            wave = list({place.url: place for place in following if place.url not in self.visited}.values())
        services = self.asked_services() if with_info else {}
        return Index(tuple(self.entries.values()), services, self.until, self.remarks.sentences())

    def ask(
        self, urls: list[str], read: Callable[[bytes, str], "Document"], what: str = "manifests"
    ) -> Iterator[OneOfMany["Document"]]:
        """What came of each address, in the order of completion.

        Raises:
            UnreadableIiifError: nothing was answered for a while.
        """
        with self.progress.track(what, len(urls), "files") as step:
            for answer in download_files(self.client, urls, lambda url: self.folder / file_name(url), read):
                step.advance()
                self.used.add(file_name(answer.url))
                if answer.problem is not None and answer.content is not None:
                    self.remarks.add("files could not be asked for again, and are as they were", answer.url)
                self.failures = self.failures + 1 if answer.outcome is Outcome.FAILED else 0
                if self.failures >= MAX_FAILURES:
                    raise UnreadableIiifError(
                        f"{MAX_FAILURES} requests in a row failed, the last of {answer.url}: {answer.problem}; what "
                        "came before is kept, so try again later."
                    )
                yield answer

    def take(self, place: _Place, answer: OneOfMany[Document], *, is_root: bool) -> list[_Place]:
        """Note what came of an address; returns where it leads."""
        found = answer.content
        if is_root and answer.problem is not None:
            raise UnreadableIiifError(
                f"{place.url} could not be read: {answer.problem}; check its address, or try again."
            )
        if found is None or found.kind == MANIFEST:
            self.keep(Entry(place.url, work=place.work), answer)
        elif found.kind == STREAM:
            self.follow(place.url, found)
        else:
            return self.members(place, found)
        return []

    def keep(self, entry: Entry, answer: OneOfMany[Document]) -> None:
        """Note what came of a manifest."""
        if answer.content is None or answer.file is None:
            entry = replace(entry, file=None, sha256=None, reason=answer.problem or "it could not be read")
        else:
            name, is_current = file_name(entry.url), answer.problem is None
            entry = replace(entry, file=name, sha256=answer.file.sha256, reason=None, is_current=is_current)
            self.services.update(dict.fromkeys(answer.content.services))
        self.entries[entry.url] = entry

    def members(self, place: _Place, found: Document) -> list[_Place]:
        """The members of a collection and its next pages."""
        if self.is_beyond(place.url):
            return []
        above = (*place.above, place.url)
        named = {url for url, _ in found.members if url}
        if place.listed is not None and found.following and named <= place.listed:
            self.remarks.add(
                "pages of a collection name nothing new, and those after them are not asked for", place.url
            )
            return []
        # What the first page lists may stand in the collection, too.
        listed = set[str]() if place.listed is None else place.listed | named
        places = [replace(place, url=url, listed=listed) for url in found.following]
        for number, (url, work) in enumerate(found.members, start=1):
            if url is None:
                missing = f"{place.url}#{number}"
                self.entries[missing] = Entry(missing, reason=f"member {number} of {place.url} has no address (`id`)")
            elif url in above:
                self.remarks.add("collections contain themselves; each is read once", url)
            elif place.depth >= MAX_DEPTH:
                self.entries[url] = Entry(url, reason=f"it lies more than {MAX_DEPTH} collections deep")
            else:
                places.append(_Place(url, place.depth + 1, above, work or place.work))
        return places

    def is_beyond(self, url: str) -> bool:
        """Count a collection or a page of one; whether it is one too many."""
        self.pages += 1
        if self.pages > self.max_pages:
            what = f"collections and pages are more than {self.max_pages:,} (`max_pages`), and left out; raise it"
            self.remarks.add(what, url)
        return self.pages > self.max_pages

    def follow(self, stream: str, found: Document) -> None:
        """Ask for the manifests that changed since the stream was followed the last time, or were not answered then."""
        known = {entry.url: entry for entry in self.old.entries if entry.stream == stream}
        changed = changes_since(self.backwards(found), self.old.until.get(stream))
        # The changes beyond the limit were not seen, so that the next time must ask for them.
        is_whole = self.pages <= self.max_pages
        if until := (changed.until if is_whole else None) or self.old.until.get(stream):
            self.until[stream] = until
        asked: list[str] = []
        for url in dict.fromkeys([*known, *changed.wanted]):
            if url in changed.removed:
                continue
            entry = known.get(url, Entry(url, stream=stream))
            self.entries[url] = replace(entry, modified=changed.wanted.get(url, entry.modified))
            is_held = entry.is_current and entry.file is not None and (self.folder / entry.file).exists()
            if url in changed.wanted or not is_held:
                asked.append(url)
        for answer in self.ask(asked, document):
            if answer.content and answer.content.kind != MANIFEST:
                del self.entries[answer.url]  # the members of a collection have changes of their own
            else:
                self.keep(self.entries[answer.url], answer)
        self.services.update(dict.fromkeys(self.old.services))

    def backwards(self, found: Document) -> Iterator[Change]:
        """The changes of a stream, the newest first; a page is asked for when it is needed."""
        at, seen, told = next(iter(found.following), None), set[str](), set(found.changes)
        yield from reversed(found.changes)
        while at is not None and at not in seen and not self.is_beyond(at):
            seen.add(at)
            [answer] = self.ask([at], document, "changes")
            if answer.content is None or answer.problem is not None:
                raise UnreadableIiifError(f"{at}, a page of changes, could not be read: {answer.problem}; try again.")
            if told.issuperset(answer.content.changes) and len(seen) > 1:
                self.remarks.add("pages of a stream tell nothing new, and those before them are not asked for", at)
                return
            told.update(answer.content.changes)
            yield from reversed(answer.content.changes)
            at = next(iter(answer.content.following), None)

    def asked_services(self) -> dict[str, str]:
        """The file of each image service's `info.json`."""
        of = {f"{base}/info.json": base for base in self.services}
        found: dict[str, str] = {}
        for answer in self.ask(list(of), info_document, "image services"):
            if answer.content is None:
                self.remarks.add("image services did not say their size", answer.url)
            else:
                found[of[answer.url]] = file_name(answer.url)
        return {base: found[base] for base in self.services if base in found}
