"""The collection in a browser: `artpipe serve`, its JSON API, and the same pages written as files."""
