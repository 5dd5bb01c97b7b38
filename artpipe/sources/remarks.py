"""Remarks on a source for a person: what was left out, how often, and where for example."""

from collections import Counter


class Remarks:
    """What is to be said of the records of a source, counted, with the first place of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, what: str, where: str, count: int = 1) -> None:
        """Count a remark, such as `images refused: ...`."""
        if count:
            self._counts[what] += count
            self._first.setdefault(what, where)

    def sentences(self) -> tuple[str, ...]:
        """One sentence each."""
        return tuple(
            f"{count:,} {what}, such as in {self._first[what]}" for what, count in sorted(self._counts.items())
        )
