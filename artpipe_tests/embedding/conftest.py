"""Fixtures of this folder's tests."""

from artpipe_tests.fixtures.one_thread import one_thread

__all__ = ["one_thread"]
