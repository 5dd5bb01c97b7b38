"""A response of OAI-PMH as values: its records, its token, its error."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.sources.plain_text import plain_text

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it

OAI = "{http://www.openarchives.org/OAI/2.0/}"
_NO_XML = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*(?:[0-8bcefBCEF]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2\d|3[01]));"
)
"""Control characters, which XML forbids and repositories send all the same."""


class NotOaiError(ArtpipeError):
    """A response that is not of OAI-PMH."""


@dataclass(frozen=True)
class Record:
    """A record: its header, and its metadata where it was not deleted."""

    identifier: str
    datestamp: str
    is_deleted: bool
    metadata: "_Element | None"

    @property
    def hash(self) -> str:
        """A hash of what it says; the same whichever page it is on, and whenever that was sent."""
        from lxml import etree

        said = b"" if self.metadata is None else etree.tostring(self.metadata, with_tail=False)
        head = repr((self.identifier, self.datestamp, self.is_deleted)).encode("utf-8", "replace")
        return hashlib.sha256(head + said).hexdigest()


@dataclass(frozen=True)
class Page:
    """A response.

    Attributes:
        records: of `ListRecords`.
        token: asks for the next page; None on the last.
        total: how many records the list has, where the repository says that.
        date: when it was sent, in the repository's clock.
        error: the code and the text of an error of the protocol.
        about: the elements of `Identify` by name.
    """

    records: tuple[Record, ...]
    token: str | None
    total: int | None
    date: str | None
    error: tuple[str, str] | None
    about: Mapping[str, str]


def parsed_page(body: bytes, where: str) -> Page:
    """Parse a response.

    Raises:
        NotOaiError: it is none of OAI-PMH.
    """
    from lxml import etree

    head = body[:2000].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        raise NotOaiError(f"{where} is a web page, not OAI-PMH; give the base address of the repository itself.")
    # Entities are not resolved and nothing is loaded: a response comes from a stranger.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    is_utf_16 = body.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        root = etree.fromstring(body if is_utf_16 else _NO_XML.sub(b"", body), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotOaiError(f"{where} is not XML ({error}); open it in a browser, and tell the repository.") from error
    if root.tag != f"{OAI}OAI-PMH":
        raise NotOaiError(f"{where} is XML, but <{root.tag}> and not OAI-PMH; give the base address of the repository.")
    # Some repositories send other errors beside the one that counts.
    errors = [(str(each.get("code") or ""), plain_text(each.text or "")) for each in root.findall(f"{OAI}error")]
    records = tuple(record for each in root.iterfind(f"{OAI}ListRecords/{OAI}record") if (record := _record(each)))
    token = root.find(f".//{OAI}resumptionToken")
    said = token.get("completeListSize") if token is not None else None
    about = root.find(f"{OAI}Identify")
    return Page(
        records,
        ((token.text or "").strip() or None) if token is not None else None,
        int(said) if said and said.isdecimal() and len(said) < 10 else None,
        (root.findtext(f"{OAI}responseDate") or "").strip() or None,
        min(errors, key=lambda error: error[0] != "badResumptionToken", default=None),
        {}
        if about is None
        else {str(each.tag).split("}")[-1]: (each.text or "").strip() for each in about.iterchildren("*")},
    )


def _record(element: "_Element") -> Record | None:
    header = element.find(f"{OAI}header")
    identifier = plain_text(header.findtext(f"{OAI}identifier") or "") if header is not None else ""
    if header is None or not identifier:
        return None
    metadata = element.find(f"{OAI}metadata")
    return Record(
        identifier,
        (header.findtext(f"{OAI}datestamp") or "").strip(),
        header.get("status") == "deleted",
        next(metadata.iterchildren("*"), None) if metadata is not None else None,
    )
