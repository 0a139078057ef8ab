"""A network that can be cut: packets vanish and nobody is told, as when a cable is pulled.

The other side is a network namespace of the kernel. What listens there passes everything on to a port of this machine;
``cut`` lets no answer out of it. Needs root on Linux.
"""

import ctypes
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_NAME = f"chaos{os.getpid()}"
_NUMBERS = itertools.count()  # the kernel takes a namespace and its devices down some time after they are deleted
_HERE, _THERE = "10.213.7.1", "10.213.7.2"


def can_be_cut() -> bool:
    """May this process make network namespaces?"""
    made = subprocess.run(["ip", "netns", "add", f"{_NAME}-probe"], capture_output=True, check=False).returncode == 0
    if made:
        _ip("netns", "del", f"{_NAME}-probe")
    return made


class Network:
    """``door(port)`` is an address over there that leads to this port of the loopback."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._sockets: list[socket.socket] = []
        self._cut = False

    def door(self, port: int) -> str:
        """-> host:port"""
        made: list[socket.socket] = []
        thread = threading.Thread(target=lambda: made.append(_listen_in(self._namespace)))
        thread.start()
        thread.join()
        (listener,) = made
        self._sockets.append(listener)
        threading.Thread(target=self._serve, args=(listener, port), daemon=True).start()
        return f"{_THERE}:{listener.getsockname()[1]}"

    def cut(self) -> None:
        _ip("-n", self._namespace, "route", "replace", "blackhole", f"{_HERE}/32")
        self._cut = True

    def heal(self) -> None:
        if self._cut:
            _ip("-n", self._namespace, "route", "del", "blackhole", f"{_HERE}/32")
            self._cut = False

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", port), 5)
                far.settimeout(None)
            except OSError:  # nothing listens there just now
                near.close()
                continue
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


@contextmanager
def network() -> Iterator[Network]:
    name = f"{_NAME}-{next(_NUMBERS)}"
    end, other = f"{name}a"[-14:], f"{name}b"[-14:]
    _ip("netns", "add", name)
    try:
        _ip("link", "add", end, "type", "veth", "peer", "name", other, "netns", name)
        _ip("addr", "add", f"{_HERE}/24", "dev", end)
        _ip("link", "set", end, "up")
        _ip("-n", name, "addr", "add", f"{_THERE}/24", "dev", other)
        _ip("-n", name, "link", "set", other, "up")
        between = Network(name)
        yield between
        between.close()
    finally:
        _ip("netns", "del", name)  # takes both ends along


def _listen_in(namespace: str) -> socket.socket:
    """In a thread of its own, which ends in the namespace; the socket stays there."""
    with (Path("/run/netns") / namespace).open() as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    return socket.create_server((_THERE, 0))


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(1 << 16):
            target.sendall(block)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
