"""sd_notify: tell systemd that the guard is ready, alive, and what it watches.

Protocol: sd_notify(3), one datagram to the socket in NOTIFY_SOCKET. Nothing here can block or fail the caller.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Mapping

READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Notifier:
    """Whoever started the guard; nobody, if the environment names no socket.

    watchdog  seconds within which systemd wants to hear ALIVE; 0: it does not
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket: socket | None = None
        for_me = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        self.watchdog = int(microseconds) / 1e6 if path and for_me and microseconds.isdigit() else 0.0

    def tell(self, *assignments: str) -> None:
        """Send these, such as READY. Where nobody listens, they are lost."""
        from _socket import AF_UNIX, MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM, socket

        if not self._address:
            return
        try:
            self._socket = self._socket or socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
            self._socket.sendto("\n".join(assignments).encode(), MSG_DONTWAIT, self._address)
        except OSError:
            return

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self.tell(f"STATUS={text}")
