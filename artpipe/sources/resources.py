"""The Dagster resource that opens a polite HTTP client of the gallery."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.lake.of_gallery import claim_lake
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress, SilentProgress
from artpipe.settings import SAMPLE, SecretUrl, Settings

if TYPE_CHECKING:
    from artpipe.crawler.client import GalleryClient


class GalleryResource(dg.ConfigurableResource[object]):
    """Opens a client of the gallery in use; the sample gallery is drawn and served for as long as it is open.

    Dagster stores the fields, so a login is no field: it comes with the settings of the step.
    """

    base_url: str = SAMPLE
    sample_artworks: int
    user_agent: str
    requests_per_s: float
    concurrency: int
    allowed_hosts: list[str] = []  # noqa: RUF012 - Dagster reads this as a config default
    obey_reservations: bool = True
    cache: str | None = None
    ray_address: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> "GalleryResource":
        """The resource that the settings describe."""
        return cls(
            base_url=str(settings.gallery),
            sample_artworks=settings.sample_artworks,
            user_agent=settings.user_agent,
            requests_per_s=settings.requests_per_s,
            concurrency=settings.concurrency,
            allowed_hosts=list(settings.allowed_hosts),
            obey_reservations=settings.obey_reservations,
            cache=settings.cache,
            ray_address=settings.ray_address,
        )

    @contextmanager
    def client(
        self, lake: DataLake, progress: Progress | None = None, settings: Settings | None = None
    ) -> "Generator[GalleryClient]":
        """A polite HTTP client whose requests go to the gallery in use.

        One process at a time has one for a lake, so that a refresh in a terminal and a run of the Dagster daemon never
        scrape at once; the other waits.

        Args:
            lake: whose.
            progress: advances while the sample gallery is drawn.
            settings: with the login, where the gallery wants one.
        """
        from filelock import FileLock

        with FileLock(lake.lock_file("gallery")), self._open(lake, progress, settings) as client:
            if lake.is_local and (settings is None or settings.sources is None):
                claim_lake(lake.local_root, settings.gallery.get_secret_value() if settings else self.base_url)
            yield client

    @contextmanager
    def _open(self, lake: DataLake, progress: Progress | None, settings: Settings | None) -> "Generator[GalleryClient]":
        if settings is not None and settings.sources is not None:
            from artpipe.crawler.client import GalleryClient
            from artpipe.crawler.shared_limits import shared_paces
            from artpipe.sources.hosts import client_config

            paces = shared_paces(self.cache, self.ray_address)
            with GalleryClient(client_config(settings), pace_of=paces) as client:
                yield client
            return
        if self.base_url != SAMPLE:
            with self._client(self.base_url, settings.gallery if settings else None) as client:
                yield client
            return
        from artpipe.sample_gallery.server import serve
        from artpipe.sample_gallery.site import write_sample_site

        folder = write_sample_site(
            lake.local_folder("sample_site"), artworks=self.sample_artworks, progress=progress or SilentProgress()
        )
        with serve(folder) as url, self._client(url) as client:
            yield client

    def _client(self, base_url: str, with_login: "SecretUrl | None" = None) -> "GalleryClient":
        from artpipe.crawler.client import ClientConfig, GalleryClient, login_of
        from artpipe.crawler.shared_limits import shared_paces

        return GalleryClient(
            ClientConfig(
                base_url=base_url,
                user_agent=self.user_agent,
                requests_per_s=self.requests_per_s,
                concurrency=self.concurrency,
                allowed_hosts=tuple(self.allowed_hosts),
                obeys_reservations=self.obey_reservations,
            ),
            login=login_of(with_login) if with_login else None,
            pace_of=shared_paces(self.cache, self.ray_address),
        )
