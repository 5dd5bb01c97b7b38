"""Tests of artpipe; the tree mirrors the package."""
