"""The drawn practice gallery and its loopback server."""

from artpipe.gallery.sample.server import SampleServer, serve
from artpipe.gallery.sample.sheet import contact_sheet
from artpipe.gallery.sample.site import write_sample_site

__all__ = ["SampleServer", "contact_sheet", "serve", "write_sample_site"]
