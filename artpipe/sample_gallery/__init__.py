"""The drawn practice gallery and its loopback server."""

from artpipe.sample_gallery.server import SampleServer, serve
from artpipe.sample_gallery.sheet import contact_sheet
from artpipe.sample_gallery.site import write_sample_site

__all__ = ["SampleServer", "contact_sheet", "serve", "write_sample_site"]
