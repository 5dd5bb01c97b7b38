"""A server that closes connections on which nothing happens: half a request, or an answer that nobody reads.

Each holds one of the files that the system lets the server open; as many as that, and nobody else can connect.
"""

from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from uvicorn.server import Protocols

PATIENCE_S = 15.0
_TICKS_A_SECOND = 10
"""How often uvicorn calls `on_tick`."""


class PatientServer(uvicorn.Server):
    """Closes a connection after a time in which nothing happened on it, and at most twice that time.

    Args:
        config: of the server.
        patience_s: that time.
    """

    def __init__(self, config: uvicorn.Config, patience_s: float = PATIENCE_S) -> None:
        super().__init__(config)
        self._every = max(1, round(patience_s * _TICKS_A_SECOND))
        self._stalled: dict[Protocols, object] = {}

    async def on_tick(self, counter: int) -> bool:
        """What uvicorn does regularly; whether the server should end."""
        if counter % self._every == 0:
            before, self._stalled = self._stalled, {one: _waits_for(one) for one in self.server_state.connections}
            for connection, waits_for in self._stalled.items():
                if waits_for is not None and waits_for == before.get(connection):
                    connection.transport.abort()
        return await super().on_tick(counter)


def _waits_for(connection: "Protocols") -> object:
    """What a connection waits for of its client, equal as long as nothing arrives; None while we work on an answer."""
    cycle = getattr(connection, "cycle", None)
    if cycle is None or cycle.response_complete:
        return "request", id(cycle)
    flow = getattr(connection, "flow", None)
    return ("reader", connection.transport.get_write_buffer_size()) if flow and flow.write_paused else None
