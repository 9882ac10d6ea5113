"""Tell multipathd a map's reservation key, so that it registers a path that returns.

Without that a returned path has no registration: its writes fail with a reservation conflict, which dm-multipath
takes for the disk's answer and does not retry elsewhere. multipathd remembers the key with `reservation_key file` in
multipath.conf. Protocol: libmpathcmd of multipath-tools (length of the text with its final NUL as a native size_t, then
the text; the answer likewise).
"""

from __future__ import annotations

import struct
import time

from ..errors import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_SOCKETS = ("\0/org/kernel/linux/storage/multipathd", "/run/multipathd.socket")
_TIMEOUT_SECONDS = 3.0
_LENGTH = struct.Struct("@N")
_MOST_ANSWER_BYTES = 1 << 20


class NoAnswer(Exception):
    """multipathd broke the connection off or answered nonsense."""


def tell_key(map_name: str, key: int, warn: Callable[[Notice], None]) -> None:
    """Set key and reservation status of the map. A missing or unwilling multipathd is a warning, not raised."""
    _tell(map_name, (f"setprkey map {map_name} key 0x{key:x}", f"setprstatus map {map_name}"), warn)


def forget_key(map_name: str, warn: Callable[[Notice], None]) -> None:
    """Take both back, so that no path that returns is registered. Warns likewise."""
    _tell(map_name, (f"unsetprstatus map {map_name}", f"unsetprkey map {map_name}"), warn)


def _tell(map_name: str, commands: tuple[str, ...], warn: Callable[[Notice], None]) -> None:
    try:
        connection = _connect()
    except OSError as error:
        warn(Notice("multipathd-missing", {"disk": map_name, "answer": error.strerror or str(error)}))
        return
    with connection:
        for command in commands:
            try:
                answer = ask(connection, command)
            except (OSError, NoAnswer) as error:
                fields = {"disk": map_name, "operation": command, "answer": str(error)}
                warn(Notice("multipathd-silent", fields))
                return
            if answer != "ok":
                fields = {"disk": map_name, "operation": command, "answer": answer or "nothing"}
                warn(Notice("multipathd-refused", fields))


def ask(connection: socket.socket, command: str) -> str:
    """One command and its answer without the final newline. Raises OSError, NoAnswer."""
    text = command.encode() + b"\0"
    until = time.monotonic() + _TIMEOUT_SECONDS
    connection.settimeout(_TIMEOUT_SECONDS)
    connection.sendall(_LENGTH.pack(len(text)) + text)
    (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size, until))
    if length > _MOST_ANSWER_BYTES:
        raise NoAnswer(f"an answer of {length} bytes")
    return _receive(connection, length, until).rstrip(b"\0").decode("utf-8", "replace").strip()


def _receive(connection: socket.socket, size: int, until: float) -> bytes:
    data = b""
    while len(data) < size:
        # Whoever answers byte by byte must not hold up the rest of 'on'.
        left = until - time.monotonic()
        if left <= 0:
            raise NoAnswer("it takes too long")
        connection.settimeout(left)
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise NoAnswer("the connection was closed")
        data += chunk
    return data


def _connect() -> socket.socket:
    import socket

    failure = OSError()
    for address in _SOCKETS:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure
