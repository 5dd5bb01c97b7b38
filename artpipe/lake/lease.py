"""A lock that several machines share, as a lease: renewed by its holder, and taken over from one that went silent.

The lock is a folder of numbered files, the generations of the lease; the highest names the present holder. Who creates
the next one holds the lease, and only one process can. The holder writes its generation anew every few seconds. One
that waits sees whether it changes, by its own clock: machines need not agree on the time. A holder that was silent for
half the time after which it may be replaced trusts its lease no longer; it has to create the next generation, too.
"""

import json
import logging
import math
import os
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.generations import Generations, StoreWithoutConditionsError
from artpipe.lake.processes import is_alive, started_at, this_machine

if TYPE_CHECKING:
    from upath import UPath

logger = logging.getLogger(__name__)

SILENCE_S = 60.0
"""After how long a silent holder is replaced."""
_RENEWALS = 4
"""How often a lease is renewed in that time."""
_LOOKS = 60
"""How often one that waits looks at the lock in that time."""
_FAILURES = 5
"""After how many attempts to create a generation that nobody else created a store is given up."""
_guards: "dict[str, Lease]" = {}
"""The leases of this process, held or lost, by the place whose writers they guard."""
_obeying_stores: set[str] = set()
"""The folders whose store was seen to obey conditions."""
_nonces: set[str] = set()
"""Of the holders that this process is, or tries to become."""


class LeaseLostError(ArtpipeError):
    """Another process took the lock over, because this one was silent for too long.

    Args:
        what: the lock is of.
        other: who holds it now, if anybody.
    """

    def __init__(self, what: str, other: "Holder | None") -> None:
        super().__init__(
            f"{what} was taken over by {other or 'another process'}, because this one was silent for too long. "
            "Nothing more is written; what was finished is kept. Run the same command again."
        )


class HeldError(ArtpipeError):
    """Another process holds a lock for longer than this one would wait.

    Args:
        what: the lock is of.
        other: who holds it.
    """

    def __init__(self, what: str, other: "Holder | None") -> None:
        super().__init__(f"{what} is being written by another process ({other or 'which one is unknown'}); try again.")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as its generation says.

    Attributes:
        doing: what for, as a noun: "a refresh".
        host: the machine's name.
        machine: this boot of it.
        pid: of the process.
        started: when the process started, as `started_at` gives it.
        since: when the lock was taken, ISO 8601 in UTC.
        silence_s: after how long it is replaced.
        renewed_at: when the generation was last written, by the holder's clock; shown only.
        renewals: how often it was written anew.
        is_released: whether the lock is free again.
        nonce: tells this holding from every other one.
    """

    doing: str
    silence_s: float = SILENCE_S
    host: str = field(default_factory=socket.gethostname)
    machine: str = field(default_factory=this_machine)
    pid: int = field(default_factory=os.getpid)
    started: str = field(default_factory=lambda: started_at(os.getpid()))
    since: str = field(default_factory=lambda: datetime.now(UTC).isoformat("T", "seconds"))
    renewed_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())
    renewals: int = 0
    is_released: bool = False
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @classmethod
    def read(cls, content: bytes) -> "Holder | None":
        """Who a generation names; None where it cannot be read."""
        try:
            found = json.loads(content)
            return cls(**{one.name: found[one.name] for one in fields(cls)})  # a later release may say more
        except (ValueError, TypeError, KeyError):
            return None

    @property
    def content(self) -> bytes:
        """What its generation holds."""
        return json.dumps(asdict(self), indent=1).encode()

    @property
    def is_gone(self) -> bool:
        """Whether its process was one of this machine and ended without a word, or is this one and let go of it."""
        return self.machine == this_machine() and not self._runs

    @property
    def is_here(self) -> bool:
        """Whether its process is one of this machine, and runs, or is stopped."""
        return self.machine == this_machine() and self._runs

    @property
    def _runs(self) -> bool:
        return is_alive(self.pid, self.started) and (self.pid != os.getpid() or self.nonce in _nonces)

    @property
    def seems_silent(self) -> bool:
        """Whether it has not been heard of for long, if clocks agree."""
        silent_for = datetime.now(UTC) - datetime.fromisoformat(self.renewed_at)
        return silent_for > timedelta(seconds=2 * self.silence_s)


class Lease:
    """What a process has that holds a lock.

    Args:
        what: the lock is of.
        generations: of the lock.
        number: the present generation, which this process created at the earliest `at`.
        holder: this process.
        at: seconds of `now`.
    """

    def __init__(self, what: str, generations: Generations, number: int, holder: Holder, at: float) -> None:
        self.holder, self._what = holder, what
        self._generations, self._number, self._renewed_at = generations, number, at
        self._tried: float | None = None  # since when this process tries to create the next generation
        self._lock, self._ended, self._is_lost = threading.RLock(), threading.Event(), False
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()

    def ensure_held(self) -> None:
        """Check that nobody took the lock over, and that nobody can within the next half of the time of silence.

        Raises:
            LeaseLostError: somebody did.
        """
        with self._lock:
            if now() - self._renewed_at >= self.holder.silence_s / 2:
                self._renew()
            if self._is_lost:
                raise LeaseLostError(self._what, Holder.read(self._generations.latest()[1]))

    def release(self) -> None:
        """Let others have the lock; where that cannot be said, they take it over after the time of silence.

        Those of this machine do once this process has ended.
        """
        self._ended.set()
        self._thread.join()
        with self._lock:
            if self._is_lost:
                return
            released = replace(self.holder, is_released=True).content
            try:
                try:
                    self._generations.write(self._number, released)
                except OSError:
                    self._generations.write_in_place(self._number, released)
            except Exception as error:  # noqa: BLE001 - whatever the library of the store raises
                logger.warning("the lock %s could not be released: %s", self._generations.folder, error)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self.holder.silence_s / _RENEWALS):
            try:
                with self._lock:
                    self._renew()
            except Exception as error:  # noqa: BLE001 - whatever the library of the store raises; who writes sees it
                logger.debug("the lock %s could not be renewed: %s", self._generations.folder, error)

    def _renew(self) -> None:
        """Write the generation anew, or, where another process may have created the next one by now, create that."""
        if self._is_lost:
            return
        at, silence_s = now(), self.holder.silence_s
        renewed_at = datetime.now(UTC).isoformat()
        self.holder = replace(self.holder, renewals=self.holder.renewals + 1, renewed_at=renewed_at)
        if at - self._renewed_at < silence_s / 2:
            self._generations.write(self._number, self.holder.content)
            if now() - self._renewed_at < silence_s:  # it arrived before anybody could replace this process
                self._renewed_at = at
                self._is_lost = self._generations.latest_number() != self._number
                return
        number = self._number + 1
        self._tried = self._tried or at
        is_mine = self._generations.create(number, self.holder.content)
        if not is_mine and self._has_created(number):
            self._number, self._renewed_at, self._tried = number, self._tried, None
            self._renew()
            return
        if is_mine and self._generations.is_latest(number):
            self._number, self._renewed_at, self._tried = number, at, None
            return
        if is_mine:
            self._generations.remove(number)
        self._is_lost = True

    def _has_created(self, number: int) -> bool:
        """Whether an earlier attempt to create the generation, which seemed to fail, did create it."""
        latest, content = self._generations.latest()
        found = Holder.read(content)
        return latest == number and found is not None and found.nonce == self.holder.nonce


class Lock:
    """A lock that processes of several machines share.

    Args:
        what: it is of, in words.
        folder: where its generations are kept, in a local folder or an object store.
        silence_s: after how long a silent holder is replaced.
    """

    def __init__(self, what: str, folder: "UPath", silence_s: float = SILENCE_S) -> None:
        self._what, self._generations = what, Generations(folder)
        self._silence_s = silence_s

    def holder(self) -> Holder | None:
        """Who holds the lock now, as far as one look shows; None where nobody does. Creates nothing."""
        found = Holder.read(self._generations.latest()[1])
        if found is None or found.is_released or found.is_gone or (found.seems_silent and not found.is_here):
            return None
        return found

    @contextmanager
    def held(
        self,
        doing: str,
        waiting: Callable[[Holder | None], None] = lambda _: None,
        *,
        patience_s: float = math.inf,
    ) -> Generator[Lease]:
        """Hold the lock, once nobody else does.

        Args:
            doing: what for, as a noun.
            waiting: told once of each process that this one waits for, None where it is unknown; may raise, in place
                of waiting.
            patience_s: how long to wait.

        Raises:
            HeldError: another process held it for longer.
            StoreWithoutConditionsError: the store could let two processes hold it.
        """
        me = Holder(doing, self._silence_s)
        _nonces.add(me.nonce)
        try:
            lease = self._acquire(me, waiting, time.monotonic() + patience_s)
            try:
                yield lease
            finally:
                lease.release()
        finally:
            _nonces.discard(me.nonce)

    def _acquire(self, me: Holder, waiting: Callable[[Holder | None], None], until: float) -> Lease:
        # A clock that stands still while this machine sleeps: holders may sleep with it, and are not silent for that.
        told, seen, seen_at = set[str](), (0, b""), time.monotonic()
        failures: Counter[int] = Counter()  # by the number that was the highest and stays it
        while True:
            before = time.monotonic()
            number, content = self._generations.latest()
            other = Holder.read(content)
            if (number, content) != seen:
                seen, seen_at = (number, content), time.monotonic()
            is_silent = before - seen_at >= (other.silence_s if other else self._silence_s)
            if other is None:
                is_free = not number or is_silent
            else:
                is_free = other.is_released or other.is_gone or (is_silent and not other.is_here)
            if not is_free:
                if (nonce := other.nonce if other else "") not in told:
                    told.add(nonce)
                    waiting(other)
                self._pause(other, until)
                continue
            at, mine = now(), replace(me, since=Holder("").since, renewed_at=Holder("").renewed_at)
            if not self._generations.create(number + 1, mine.content):
                failures[number] += 1
                why = self._generations.refusal
                if failures[number] == _FAILURES and why is not None and self._generations.latest_number() == number:
                    raise StoreWithoutConditionsError(self._generations.folder, f"it answers: {why}") from why
                self._pause(other, until)
                continue
            self._refuse_store_without_conditions(number + 1, mine)
            if self._generations.is_latest(number + 1):
                return Lease(self._what, self._generations, number + 1, mine, at)
            self._generations.remove(number + 1)  # it was removed, after later ones had been created

    def _pause(self, other: Holder | None, until: float) -> None:
        if time.monotonic() > until:
            raise HeldError(self._what, other)
        time.sleep(self._silence_s / _LOOKS)

    def _refuse_store_without_conditions(self, number: int, mine: Holder) -> None:
        folder = str(self._generations.folder)
        if folder not in _obeying_stores:
            self._generations.refuse_store_without_conditions(number, mine.content)
            _obeying_stores.add(folder)


@contextmanager
def guarding(place: str, lease: Lease) -> Generator[None]:
    """Let `ensure_held` ask this lease about everything below a place."""
    before = _guards.get(place)
    _guards[place] = lease
    try:
        yield
    finally:
        _guards.pop(place)
        if before is not None:
            _guards[place] = before


def ensure_held(place: object) -> None:
    """Check, before something is written, that the lock of the lake in which it is was not taken over.

    What a process writes that never held a lock, such as a test, is not checked.

    Raises:
        LeaseLostError: it was.
    """
    for guarded, lease in [*_guards.items()]:
        if f"{place}/".startswith(f"{guarded.rstrip('/')}/"):  # a bucket itself ends with one already
            lease.ensure_held()


def now() -> float:
    """Seconds that pass, too, while this process is stopped or the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
