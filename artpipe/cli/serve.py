"""The commands that serve or export the collection: `artpipe serve`, `export-site` and `gallery serve`."""

from pathlib import Path
from typing import Annotated

import typer

from artpipe.cli.terminal import message_console, settings_in_force

Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")]


def serve(
    host: Annotated[str, typer.Option(help="Address to bind; any but loopback lets other machines in.")] = (
        "127.0.0.1"
    ),
    port: Port = 8500,
    opens_browser: Annotated[bool, typer.Option("--open", help="Open the first page in a browser.")] = False,
    waits: Annotated[bool, typer.Option("--wait", help="Wait for a first collection where there is none yet.")] = False,
) -> None:
    """Serve the collection as web pages and as a JSON API, until Ctrl-C."""
    from artpipe.web.config import WebConfig
    from artpipe.web.lake_status import LakeStatus
    from artpipe.web.originals import client_of_visitors
    from artpipe.web.serve import serve as serve_web

    settings = settings_in_force()
    serve_web(
        settings.data_lake,
        WebConfig.from_settings(settings, host),
        host=host,
        port=port,
        device=settings.device,
        status=LakeStatus() if settings.web_status else None,
        gallery=client_of_visitors(settings),
        opens_browser=opens_browser,
        waits=waits,
        write_line=lambda line: typer.echo(line, err=True),
    )


def export_site(
    folder: Annotated[Path, typer.Argument(help="Where to write; new, or an earlier export.")],
    all_rights: Annotated[
        bool, typer.Option("--all-rights", help="Export the pictures of works, too, that are not open.")
    ] = False,
) -> None:
    """Export the map and the pages as files that need no server."""
    from artpipe.progress import TerminalProgress
    from artpipe.web.export import export_site as write_site

    settings = settings_in_force()
    lake = settings.data_lake
    done = write_site(lake, folder, TerminalProgress(), abstain_below=settings.abstain_below, all_rights=all_rights)
    left_out = ""
    if done.closed:
        left_out = f"; the pictures of {done.closed:,} works that are not open are left out (--all-rights takes them)"
    message_console().print(
        f"{done.works:,} works and {done.artists:,} artists are in {folder}{left_out}: open index.html."
    )


def serve_gallery(
    port: Port = 8400,
) -> None:
    """Draw the sample gallery if needed, and serve it on loopback until Ctrl-C."""
    import threading

    from artpipe.progress import TerminalProgress
    from artpipe.sample_gallery.server import serve
    from artpipe.sample_gallery.site import write_sample_site

    settings = settings_in_force()
    site = settings.data_lake.local_folder("sample_site")
    folder = write_sample_site(site, artworks=settings.sample_artworks, progress=TerminalProgress())
    try:
        with serve(folder, port=port) as url:
            message_console().print(f"The sample gallery is at {url} (Ctrl-C ends it).")
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
