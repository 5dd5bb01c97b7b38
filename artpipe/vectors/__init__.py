"""Nearest neighbours of unit vectors in memory, exact."""
