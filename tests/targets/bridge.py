#!/usr/bin/python3 -ISB
"""Between iSCSI initiators and a target: takes APTPL out of every PERSISTENT RESERVE OUT on its way.

    bridge.py PORT TARGET_PORT

The kernel asks a target to keep registrations over a power loss with every REGISTER; a target that cannot refuses it.
Knows no digests, which the lab does not use. RFC 7143: 11.2 basic header segment, 11.3 SCSI command, 11.7 Data-Out.
"""

from __future__ import annotations

import socket
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_BYTES = 48
SCSI_COMMAND, DATA_OUT, OPERATION = 0x01, 0x05, 0x3F
COMMAND_PLACE, PERSISTENT_RESERVE_OUT = 32, 0x5F
TASK = slice(16, 20)
FLAGS_PLACE, APTPL = 20, 0x01


def main() -> None:
    """Serve for ever."""
    port, target = map(int, sys.argv[1:])
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            initiator, _ = listening.accept()
            there = socket.create_connection(("127.0.0.1", target))
            for task in ((_copy, there, initiator), (_change, initiator, there)):
                threading.Thread(target=_carry, args=task, daemon=True).start()


def _carry(task: Callable[[socket.socket, socket.socket], None], source: socket.socket, sink: socket.socket) -> None:
    """Until one side ends, then both do."""
    try:
        task(source, sink)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            end.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)


def _change(source: socket.socket, sink: socket.socket) -> None:
    tasks: set[bytes] = set()
    while header := _read(source, HEADER_BYTES):
        more = _read(source, 4 * header[4])
        length = int.from_bytes(header[5:8], "big")
        data = bytearray(_read(source, (length + 3) & ~3))
        operation = header[0] & OPERATION
        if operation == SCSI_COMMAND and header[COMMAND_PLACE] == PERSISTENT_RESERVE_OUT:
            tasks.add(header[TASK])
        if operation in (SCSI_COMMAND, DATA_OUT) and header[TASK] in tasks and length > FLAGS_PLACE:
            data[FLAGS_PLACE] &= ~APTPL
            tasks.discard(header[TASK])
        sink.sendall(header + more + data)


def _read(source: socket.socket, count: int) -> bytes:
    """So many bytes, or b"" at the end."""
    data = b""
    while len(data) < count:
        chunk = source.recv(count - len(data))
        if not chunk:
            return b""
        data += chunk
    return data


if __name__ == "__main__":
    main()
