"""How the hosts of several sources are asked: where each address says, at the pace that its source sets."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from artpipe.sources.config import BadSourcesFileError, read_sources_file

if TYPE_CHECKING:
    from artpipe.crawler.client import ClientConfig, HostPolicy
    from artpipe.settings import Settings
    from artpipe.sources.config import SourcesFile
    from artpipe.sources.contract import Source


Number = TypeVar("Number", int, float)
_LONGEST_ANSWER_S = 900.0
"""A table of hundreds of megabytes takes minutes; one that comes too slowly is given up long before."""


def client_config(settings: "Settings", named: "SourcesFile | None" = None) -> "ClientConfig":
    """How requests are sent, to a gallery or to the hosts of all sources.

    Args:
        settings: pace and User-Agent where a source sets none, and the gallery, or which file names the sources.
        named: what that file says; read where None.

    Raises:
        ArtpipeError: the file of sources cannot be read, or two sources send one host different values of a header.
    """
    from dataclasses import replace

    from artpipe.crawler.client import ClientConfig
    from artpipe.crawler.limits import is_private

    if named is None and settings.sources is None:
        return ClientConfig.from_settings(settings)
    config = ClientConfig.from_settings(settings, of_gallery=False)
    sources = (named or read_sources_file(settings.sources or "")).sources
    policies = _policies(sources, config)
    return replace(
        config,
        base_url=None,
        total_timeout_s=_LONGEST_ANSWER_S,
        allowed_hosts=(*settings.allowed_hosts, *policies),
        mirrors={host: base for source in sources for host, base in source.mirrors.items()},
        policies=policies,
        local_folders=tuple(folder for source in sources for folder in source.local_folders),
        # A file of this machine, and a server of the same network, may name pictures there.
        reaches_private=any(
            not source.hosts or any(is_private(urlsplit(f"//{host}").hostname or "") for host in source.hosts)
            for source in sources
        ),
    )


def _policies(sources: "Iterable[Source]", others: "ClientConfig") -> "dict[str, HostPolicy]":
    """How each host is asked: at the pace of the slowest of its sources, with the headers of all of them.

    Args:
        sources: all of them.
        others: the pace of a source that sets none.
    """
    from artpipe.crawler.client import HostPolicy

    by_host: dict[str, list[Source]] = {}
    for source in sources:
        for host in _names((*source.hosts, *source.image_hosts)):
            by_host.setdefault(host, []).append(source)
    return {
        host: HostPolicy(
            _least([source.requests_per_s for source in of_host], others.requests_per_s),
            _least([source.concurrency for source in of_host], others.concurrency),
            _headers(host, of_host),
        )
        for host, of_host in by_host.items()
    }


def _names(hosts: Iterable[str]) -> list[str]:
    """Hosts, each once and written in one way: without a login and the port that its scheme implies."""
    names = (host.rpartition("@")[2].lower().removesuffix(":443").removesuffix(":80") for host in hosts)
    return list(dict.fromkeys(names))


def _least(values: Sequence[Number | None], other: Number) -> Number | None:
    """The least of the values, None standing for `other`; None where all are None."""
    if all(value is None for value in values):
        return None
    return min(other if value is None else value for value in values)


def _headers(host: str, sources: "Iterable[Source]") -> dict[str, str]:
    """The headers that the sources send to a host of their catalogues."""
    sent: dict[str, tuple[str, str, str]] = {}
    for source in sources:
        if host not in _names(source.hosts):
            continue
        for name, secret in source.headers.items():
            value = secret.get_secret_value()
            _, first_value, first_source = sent.setdefault(name.lower(), (name, value, source.name))
            if value != first_value:
                raise BadSourcesFileError(
                    f"{first_source} and {source.name} send the header {name} to {host} with different values; "
                    "give both the same, or take it out of one."
                )
    return {name: value for name, value, _ in sent.values()}
