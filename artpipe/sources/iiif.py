"""IIIF: a manifest, a collection of them, or a stream of changes, of the Presentation API 2 or 3.

`iiif_walk` downloads, `iiif_manifest` and `iiif_canvas` read; `images` asks image services by `iiif_image`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from artpipe.catalog.rows import SourceRows, source_rows
from artpipe.sources.contract import Source
from artpipe.sources.fields import TaskName, Texts, checked_address
from artpipe.sources.iiif_image import ImageService, read_service
from artpipe.sources.iiif_json import NotIiifError, parsed
from artpipe.sources.iiif_manifest import manifest_row, rows_of_canvases
from artpipe.sources.iiif_reading import Column, Reading
from artpipe.sources.iiif_walk import Entry, UnreadableIiifError, read_index, walk
from artpipe.sources.remarks import Remarks

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress


class IiifSource(Source):
    """Manifests as rows: one work each, its canvases as its images."""

    adapter: Literal["iiif"] = "iiif"
    url: Texts = Field(
        min_length=1,
        description="address of a manifest, a collection (nested, paged), a Change Discovery stream; or a list",
    )
    languages: Texts = Field(
        default=("en",),
        description="languages of labels and values, the preferred one first; `en`, the default, includes `en-GB`",
    )
    columns: Mapping[Column, Texts] = Field(
        default={},
        description="`COLUMN: [labels]`: the labels of metadata that `title`, `artists`, `date_text`, `medium`, "
        "`classification`, `location`, `school`, `credit_line` or `rights_uri` is read from, in place of the usual "
        "labels in several languages; the first that a manifest has counts",
    )
    labels: Mapping[TaskName, Texts] = Field(
        default={},
        description="`TASK: [labels]`: the labels of metadata that have the labels of a task; `;` separates several",
    )
    works: Literal["manifests", "canvases"] = Field(
        default="manifests",
        description="what is a work: `manifests`, the default, or `canvases` where a manifest is a selection of works, "
        "such as a museum's highlights",
    )
    choices: Literal["first", "all"] = Field(
        default="first",
        description="`first`, the default, or `all` images of a choice, such as natural light and X-ray",
    )
    info: bool = Field(
        default=False,
        description="`true`: ask each image service for its size and limits, one more request an image, "
        "where manifests say neither",
    )
    max_images: int = Field(
        default=1000, ge=1, description="images of one manifest; those beyond are left out, and said; default: 1000"
    )

    max_pages: int = Field(
        default=10_000,
        ge=1,
        description="collections, pages of them and of streams; those beyond are left out, and said; default: 10000",
    )

    @field_validator("url")
    @classmethod
    def _are_addresses(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_address, urls))

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the addresses."""
        return tuple(dict.fromkeys(urlsplit(url).netloc for url in self.url))

    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Bring manifests and collections up to date; what did not change is not sent again.

        Raises:
            UnreadableIiifError: an address of the source cannot be read.
        """
        walk(client, folder, self.url, progress, with_info=self.info, max_pages=self.max_pages)

    def read(self, folder: "UPath") -> SourceRows:
        """The manifests as rows; one that could not be downloaded or read is in quarantine.

        Raises:
            UnreadableIiifError: nothing was downloaded.
        """
        index = read_index(folder)
        if index is None:
            raise UnreadableIiifError(f"{folder} has no manifests; run `artpipe refresh`, which downloads them.")
        reading = Reading(self.languages, self.columns, self.labels, self.choices, self.max_images)
        services = {
            base: service
            for base, name in index.services.items()
            if (service := _service(folder / name, base)) is not None
        }
        remarks = Remarks()
        rows: list[dict[str, Any]] = []
        quarantine: list[tuple[int, str, str]] = []
        for number, entry in enumerate(index.entries, start=1):
            try:
                rows += self._rows(entry, number, folder, reading, remarks, services)
            except NotIiifError as error:
                quarantine.append((number, str(error), entry.url))
        return source_rows(rows, quarantine, self.labels, (*index.notes, *remarks.sentences()))

    def _rows(
        self,
        entry: Entry,
        number: int,
        folder: "UPath",
        reading: Reading,
        remarks: Remarks,
        services: Mapping[str, ImageService],
    ) -> list[dict[str, Any]]:
        if entry.file is None:
            raise NotIiifError(entry.reason or "it could not be read")
        try:
            body = (folder / entry.file).read_bytes()
        except OSError as error:
            raise NotIiifError(f"its file {entry.file} cannot be read ({error.strerror}); refresh again") from error
        manifest, place = parsed(body, entry.url), {"row_number": number, "modified": entry.modified}
        if self.works == "canvases":
            found = rows_of_canvases(manifest, entry.url, reading, remarks, services)
            return [{**row, **place} for row in found]
        row = manifest_row(manifest, entry.url, reading, remarks, services)
        return [{**row, **place, "work_id": entry.work or row["work_id"]}]


def _service(file: "UPath", base: str) -> ImageService | None:
    """What an image service says of itself, under the address that manifests name."""
    from dataclasses import replace

    try:
        service = read_service(parsed(file.read_bytes(), base))
    except (OSError, NotIiifError):
        return None
    return replace(service, base=base) if service else None
