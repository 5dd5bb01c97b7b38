"""The catalogue and the artist list as clean tables."""
