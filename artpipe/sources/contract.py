"""What every source of works yields: rows of one schema, whatever its catalogue looks like.

An adapter downloads the catalogue's own files into a folder of the lake, byte for byte, and reads them from there. The
catalogue stage joins the rows of all sources to `artworks`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from artpipe.catalog.rows import SourceRows
from artpipe.sources.fields import HostName
from artpipe.tasks import TaskDeclaration

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress


class Source(BaseModel, ABC):
    """A catalogue of works: what its file of sources says of it, and how it is read.

    Each adapter is a subclass with a field `adapter`, the word that chooses it in the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="short name; part of the ids of its works")
    requests_per_s: float | None = Field(default=None, gt=0, description="requests a second to one of its hosts")
    concurrency: int | None = Field(default=None, ge=1, le=64, description="requests to one of its hosts at a time")
    headers: Mapping[str, SecretStr] = Field(
        default={},
        description="headers sent to the hosts of its catalogue, such as an API key as `${VARIABLE}`; on a public "
        "network over https alone",
    )
    image_hosts: tuple[HostName, ...] = Field(
        default=(), description="hosts of its images that a redirect may lead to, or that are on a private network"
    )
    rights: Literal["open", "all"] | None = Field(default=None, description="which of its works are downloaded")

    def trial(self, records: int) -> Self:  # noqa: ARG002 - most adapters have one request for many records
        """The source as `artpipe sources check` asks it: what takes a request a record, for so many records only."""
        return self

    @property
    @abstractmethod
    def hosts(self) -> tuple[str, ...]:
        """The hosts whose catalogue files are asked for; empty where the files are on this machine."""

    @property
    def local_folders(self) -> tuple[Path, ...]:
        """The folders of this machine whose pictures it names by `file:` addresses."""
        return ()

    @property
    def mirrors(self) -> Mapping[str, str]:
        """Hosts of original addresses, and the base URL below which their files are requested instead."""
        return {}

    @property
    def is_gallery(self) -> bool:
        """Whether its works and artists have the ids that they have in a lake of `ARTPIPE_GALLERY`."""
        return False

    @property
    def own_tasks(self) -> tuple[TaskDeclaration, ...]:
        """The tasks that it has where the file of sources declares none."""
        return ()

    @abstractmethod
    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Bring the catalogue's files in the lake up to date; what did not change is not sent again.

        Args:
            client: sends polite requests to absolute addresses.
            folder: of this source alone; its files are the source's own, byte for byte.
            progress: advanced with each file.

        Raises:
            ArtpipeError: the source cannot be read; what the folder held stays.
        """

    @abstractmethod
    def read(self, folder: "UPath") -> SourceRows:
        """The records of the downloaded files; the same for the same files.

        Raises:
            ArtpipeError: the files are of no known form; the message names the file, the place and the next step.
        """
