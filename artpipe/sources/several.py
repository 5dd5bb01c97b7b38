"""The client that asks the hosts of several sources: where each address says, at the pace that its source sets."""

from typing import TYPE_CHECKING

from artpipe.sources.config import read_sources_file

if TYPE_CHECKING:
    from artpipe.crawler.client import ClientConfig, GalleryClient
    from artpipe.settings import Settings
    from artpipe.sources.config import SourcesFile


_LONGEST_ANSWER_S = 900.0
"""A table of hundreds of megabytes takes minutes; one that comes too slowly is given up long before."""


def client_of_sources(settings: "Settings", named: "SourcesFile | None" = None) -> "GalleryClient":
    """A polite client of the hosts of all sources; use it in a `with`. Arguments and errors as for `client_config`."""
    from artpipe.crawler.client import GalleryClient

    return GalleryClient(client_config(settings, named))


def client_config(settings: "Settings", named: "SourcesFile | None" = None) -> "ClientConfig":
    """How requests are sent, to a gallery or to the hosts of all sources.

    Args:
        settings: pace and User-Agent where a source sets none, and the gallery, or which file names the sources.
        named: what that file says; read where None.

    Raises:
        ArtpipeError: the file of sources cannot be read.
    """
    from dataclasses import replace

    from artpipe.crawler.client import ClientConfig, HostPolicy
    from artpipe.crawler.limits import is_private

    if named is None and settings.sources is None:
        return ClientConfig.from_settings(settings)
    config = ClientConfig.from_settings(settings, of_gallery=False)
    sources = (named or read_sources_file(settings.sources or "")).sources
    policies: dict[str, HostPolicy] = {}
    for source in sources:
        headers = {name: value.get_secret_value() for name, value in source.headers.items()}
        for host in (*source.hosts, *source.image_hosts):
            sent = headers if host in source.hosts else {}
            policies[host.lower()] = HostPolicy(source.requests_per_s, source.concurrency, sent)
    return replace(
        config,
        base_url=None,
        total_timeout_s=_LONGEST_ANSWER_S,
        allowed_hosts=(*settings.allowed_hosts, *policies),
        policies=policies,
        local_folders=tuple(folder for source in sources for folder in source.local_folders),
        # A file of this machine, and a server of the same network, may name pictures there.
        reaches_private=any(
            not source.hosts or any(is_private(host.rpartition(":")[0] or host) for host in source.hosts)
            for source in sources
        ),
    )
