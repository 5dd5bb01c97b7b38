"""The multi-task classifier."""
