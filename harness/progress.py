"""Signs of life from the ranks to the launcher, over a datagram socket on this machine.

In: small dicts. Out: the same, on the other side. A datagram is whole or not there, a sender never
waits, and a launcher that is gone costs a rank nothing. Must not know what the messages mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

SOCKET_PATH = "HARNESS_PROGRESS_SOCKET"

# sun_path holds 108 bytes on Linux and 104 on macOS.
LONGEST_PATH = 100
_LARGEST = 65_536


class Listener:
    """The launcher's end. path goes into the ranks' environment under SOCKET_PATH."""

    def __init__(self, folder: Path) -> None:
        self.path = folder.absolute() / "socket"
        self._short: Path | None = None
        if len(os.fsencode(self.path)) > LONGEST_PATH:
            # mkdtemp makes a folder that only this user can enter, so nobody else can send.
            self._short = Path(tempfile.mkdtemp(prefix="harness-", dir="/tmp"))
            self.path = self._short / "socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self.socket.bind(str(self.path))
        except OSError:
            self.close()
            raise
        self.socket.setblocking(False)

    def receive(self) -> list[dict[str, Any]]:
        """All messages that have come."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                data = self.socket.recv(_LARGEST)
            except BlockingIOError:
                return messages
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(data)
                if isinstance(message, dict):
                    messages.append(message)

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)
        if self._short is not None:
            self._short.rmdir()


class Sender:
    """A rank's end. Without a launcher (a session started by hand) it sends nowhere."""

    def __init__(self) -> None:
        path = os.environ.get(SOCKET_PATH)
        self._socket: socket.socket | None = None
        if path:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                self._socket.connect(path)
            self._socket.setblocking(False)

    def send(self, event: str, **fields: Any) -> None:
        """Send, or drop the message if the launcher is busy or gone: what counts stands in the records."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(json.dumps({"event": event, **fields}).encode())
