"""artpipe: one Dagster asset graph from an art catalogue on the web to a searchable, classified collection."""

__version__ = "0.1.0"
