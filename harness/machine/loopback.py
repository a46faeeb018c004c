"""Whether processes of this machine can meet over its loopback interface, which torchrun and gloo do, of one rank too.

In: nothing. Out: nothing, or HarnessError. Must not know sessions.
"""

from __future__ import annotations

import socket

from harness.core.errors import HarnessError

_OWN = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


def check_loopback() -> None:
    """Raises HarnessError where there is none: each rank would fail of it, one after the other, in words of gloo's."""
    if _is_there(socket.AF_INET):
        return
    only = " (only ::1, of IPv6)" if socket.has_ipv6 and _is_there(socket.AF_INET6) else ""
    raise HarnessError(
        f"this machine has no 127.0.0.1{only}, over which torchrun and ranks meet: bring its loopback interface up "
        "(ip link set lo up; ip address add 127.0.0.1/8 dev lo)"
    )


def _is_there(family: socket.AddressFamily) -> bool:
    try:
        # Of datagrams to connect sends nothing, and fails where no way leads there: to bind does not.
        with socket.socket(family, socket.SOCK_DGRAM) as tried:
            tried.bind((_OWN[family], 0))
            tried.connect((_OWN[family], 9))
    except OSError:
        return False
    return True
