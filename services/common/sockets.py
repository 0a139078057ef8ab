"""Connections that notice that the other side is gone without a word: a pulled cable, a machine that lost its power.

Without this a worker waits for an answer that cannot come for as long as its timeout says, or for ever.
"""

import socket
import sys
from typing import Final

_LINUX: Final = sys.platform == "linux"

TCP_OPTIONS: Final[dict[int, int]] = (
    {
        socket.TCP_KEEPIDLE: 5,  # seconds of silence before the first question
        socket.TCP_KEEPINTVL: 2,  # seconds between questions
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: 10_000,  # milliseconds for which what was sent may stay unconfirmed
    }
    if _LINUX
    else {}
)
"""A peer that is gone is given up after about 11 s. A busy one answers by its kernel and is waited for."""

SOCKET_OPTIONS: Final[list[tuple[int, int, int]]] = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, option, value) for option, value in TCP_OPTIONS.items()),
]
"""The same as ``setsockopt`` takes it."""

POSTGRES_OPTIONS: Final[dict[str, int]] = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""The same as libpq names it."""
