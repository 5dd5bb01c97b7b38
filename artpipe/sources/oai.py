"""OAI-PMH 2.0: the records of a repository, in Dublin Core or in the Europeana Data Model (EDM).

`oai_harvest` downloads, `oai_record` reads. No client library is used: the maintained one, oaipmh-scythe, sends its own
requests by httpx, past the pace, robots.txt and retries of `crawler/`, and hands over records, not the pages as sent.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field

from artpipe.catalog.rows import SourceRows, source_rows
from artpipe.sources.contract import Source
from artpipe.sources.fields import TaskName, Texts, WebAddress
from artpipe.sources.oai_harvest import NEXT_STEP, Asked, UnreadableOaiError, harvest, read_state
from artpipe.sources.oai_record import Column, NotARecordError, Reading, record_row
from artpipe.sources.oai_xml import parsed_page
from artpipe.sources.remarks import Remarks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress


class OaiSource(Source):
    """The records of a repository as rows."""

    adapter: Literal["oai"] = "oai"
    url: WebAddress = Field(description="base address of the repository, without `?verb=`")
    prefix: str = Field(
        default="oai_dc",
        pattern=r"^[A-Za-z0-9\-_.!~*'()]+$",
        description="`metadataPrefix`: `oai_dc`, the default, or the repository's name of EDM",
    )
    set: str | None = Field(default=None, min_length=1, description="the set that is harvested; everything where unset")
    harvest: Literal["auto", "changes", "all"] = Field(
        default="auto",
        description="what a refresh asks for: `changes` since the last, `all` records, or `auto`, the default: "
        "changes, unless the repository does not tell which records were deleted",
    )
    max_pages: int = Field(
        default=10_000,
        ge=1,
        description="pages of one harvest; the records beyond are left out, and said; default: 10000",
    )
    languages: Texts = Field(
        default=("en",), description="languages of titles and values, the preferred one first; default: `en`"
    )
    columns: Mapping[Column, Texts] = Field(
        default={},
        description="`COLUMN: [elements]`: the elements that `title`, `artists`, `date_text`, `medium`, "
        "`classification`, `location`, `credit_line`, `rights_uri`, `landing_url` or `images` is "
        "read from, in place of the usual ones",
    )
    labels: Mapping[TaskName, Texts] = Field(
        default={}, description="`TASK: [elements]`: the elements that have the labels of a task, such as `dc:subject`"
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host of the repository."""
        return (urlsplit(self.url).netloc,)

    @property
    def _asked(self) -> Asked:
        return Asked(self.url, self.prefix, self.set)

    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Harvest what changed since the last time.

        Raises:
            UnreadableOaiError: the repository refused, or did not answer.
        """
        harvest(client, folder, self._asked, self.harvest, progress, max_pages=self.max_pages)

    def read(self, folder: "UPath") -> SourceRows:
        """The records that are there now; one that cannot be read is in quarantine.

        Raises:
            UnreadableOaiError: nothing was harvested, or a page is damaged.
        """
        state = read_state(folder, self._asked)
        if not state.harvests:
            raise UnreadableOaiError(
                f"{folder} has no records of {self.url}; run `artpipe refresh`, which harvests them."
            )
        reading = Reading(self.languages, self.columns, self.labels)
        remarks = Remarks()
        found: dict[str, dict[str, Any] | str] = {}
        for page in state.files:
            try:
                body = (folder / page).read_bytes()
            except OSError as error:
                raise UnreadableOaiError(f"{folder / page} cannot be read ({error.strerror}); {NEXT_STEP}") from error
            for record in parsed_page(body, str(folder / page)).records:
                if record.is_deleted:
                    found.pop(record.identifier, None)
                    continue
                try:
                    found[record.identifier] = record_row(record, reading, remarks)
                except NotARecordError as error:
                    found[record.identifier] = str(error)
        rows = [
            {**row, "row_number": number}
            for number, row in enumerate(found.values(), start=1)
            if not isinstance(row, str)
        ]
        refused = [
            (number, reason, identifier)
            for number, (identifier, reason) in enumerate(found.items(), start=1)
            if isinstance(reason, str)
        ]
        return source_rows(rows, refused, self.labels, (*state.notes, *remarks.sentences()))
