"""Signs of life from the ranks to the launcher, over a datagram socket on this machine.

In: small dicts. Out: the same, on the other side, with the process that sent each, as the kernel knows it. A datagram
is whole or not there, a sender never waits, and a launcher that is gone costs a rank nothing. Must not know what the
messages mean, nor believe who they say they are from.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from typing import Any, NamedTuple

from ground.private import private_folder, temporary_bases

SOCKET_PATH = "HARNESS_PROGRESS_SOCKET"

# sun_path holds 108 bytes on Linux and 104 on macOS.
LONGEST_PATH = 100
_OF_OURS = 50  # harness-session-4294967294-xxxxxxxx/socket
_LARGEST = 65_536

# Whether the system says who sends (Linux). struct ucred of unix(7): pid, uid, gid.
CREDENTIALS = hasattr(socket, "SO_PASSCRED")
_CREDENTIALS = struct.Struct("iII")


class Heard(NamedTuple):
    """A message, and the process that sent it; 0 where the system does not say (it does on Linux)."""

    pid: int
    message: dict[str, Any]


class Listener:
    """The launcher's end. path goes into the ranks' environment under SOCKET_PATH.

    Only this user can enter the folder it lies in, so nobody else can send, whatever the umask is.
    """

    def __init__(self) -> None:
        self._folder = contextlib.ExitStack()
        short = [base for base in temporary_bases() if len(os.fsencode(base)) + _OF_OURS <= LONGEST_PATH]
        self.path = self._folder.enter_context(private_folder("session", short)) / "socket"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            if CREDENTIALS:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            self.socket.bind(str(self.path))
            self.path.chmod(0o600)
        except OSError:
            self.close()
            raise
        self.socket.setblocking(False)

    def receive(self) -> list[Heard]:
        """All messages that have come."""
        heard: list[Heard] = []
        while True:
            try:
                data, about, _, _ = self.socket.recvmsg(_LARGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return heard
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(data)
                if isinstance(message, dict):
                    heard.append(Heard(_sender(about), message))

    def close(self) -> None:
        self.socket.close()
        self._folder.close()


def _sender(about: list[tuple[int, int, bytes]]) -> int:
    for level, kind, data in about:
        if CREDENTIALS and level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            return int(_CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0])
    return 0


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
