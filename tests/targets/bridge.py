#!/usr/bin/python3 -ISB
"""Between iSCSI initiators and a target: takes APTPL out of every PERSISTENT RESERVE OUT on its way.

    bridge.py PORT TARGET_PORT

The kernel asks a target to keep registrations over a power loss with every REGISTER; a target that cannot refuses it.
For an initiator that the file NO_ROOM names, the target's table of registrations is full: what it registers is sent as
a service action that no target knows, and the refusal comes back as that of a full table.
Knows no digests, which the lab does not use. RFC 7143: 11.2 basic header segment, 11.3 SCSI command, 11.4 SCSI
response, 11.7 Data-Out, 11.12 login.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER_BYTES = 48
SCSI_COMMAND, LOGIN, DATA_OUT, SCSI_RESPONSE, OPERATION = 0x01, 0x03, 0x05, 0x21, 0x3F
COMMAND_PLACE, PERSISTENT_RESERVE_OUT = 32, 0x5F
SERVICE_ACTION_PLACE, SERVICE_ACTION, REGISTERS, UNKNOWN_TO_ALL = COMMAND_PLACE + 1, 0x1F, (0x00, 0x06), 0x1F
NO_ROOM = Path("/run/userland/no-room")
# SPC-4 table 56: ILLEGAL REQUEST, INSUFFICIENT REGISTRATION RESOURCES; after the two bytes of its length, fixed format.
SENSE_KEY_PLACE, CODE_PLACE, ILLEGAL_REQUEST, FULL = 2 + 2, 2 + 12, 0x05, b"\x55\x04"
TASK = slice(16, 20)
NEW_KEY, FLAGS_PLACE, APTPL = slice(8, 16), 20, 0x01


def main() -> None:
    """Serve for ever."""
    port, target = map(int, sys.argv[1:])
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            initiator, _ = listening.accept()
            there = socket.create_connection(("127.0.0.1", target))
            link = Link()
            for task in ((link.back, there, initiator), (link.there, initiator, there)):
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


class Link:
    """One initiator's connection."""

    def __init__(self) -> None:
        self._initiator = b""
        self._to_change: set[bytes] = set()
        self._refused: set[bytes] = set()

    def there(self, source: socket.socket, sink: socket.socket) -> None:
        """What the initiator sends."""
        while unit := _unit(source):
            header, more, data = unit
            operation, task = header[0] & OPERATION, bytes(header[TASK])
            if operation == LOGIN:
                for word in bytes(data).split(b"\0"):
                    if word.startswith(b"InitiatorName="):
                        self._initiator = word.partition(b"=")[2]
            if operation == SCSI_COMMAND and header[COMMAND_PLACE] == PERSISTENT_RESERVE_OUT:
                self._to_change.add(task)
                self._refuse(header, data)
            if operation in (SCSI_COMMAND, DATA_OUT) and task in self._to_change and len(data) > FLAGS_PLACE:
                data[FLAGS_PLACE] &= ~APTPL
                self._to_change.discard(task)
            sink.sendall(header + more + data)

    def _refuse(self, header: bytearray, data: bytearray) -> None:
        """What would add a registration. The kernel sends the keys with the command."""
        adds = header[SERVICE_ACTION_PLACE] & SERVICE_ACTION in REGISTERS and any(data[NEW_KEY])
        if adds and NO_ROOM.exists() and self._initiator in NO_ROOM.read_bytes().split():
            header[SERVICE_ACTION_PLACE] |= UNKNOWN_TO_ALL
            self._refused.add(bytes(header[TASK]))

    def back(self, source: socket.socket, sink: socket.socket) -> None:
        """What the target answers."""
        while unit := _unit(source):
            header, more, data = unit
            if header[0] & OPERATION == SCSI_RESPONSE and bytes(header[TASK]) in self._refused:
                self._refused.discard(bytes(header[TASK]))
                data[SENSE_KEY_PLACE] = ILLEGAL_REQUEST
                data[CODE_PLACE : CODE_PLACE + len(FULL)] = FULL
            sink.sendall(header + more + data)


def _unit(source: socket.socket) -> tuple[bytearray, bytes, bytearray] | None:
    """One unit: its header, what is added to that, and its data. None at the end."""
    header = bytearray(_read(source, HEADER_BYTES))
    if not header:
        return None
    more, length = _read(source, 4 * header[4]), int.from_bytes(header[5:8], "big")
    return header, more, bytearray(_read(source, (length + 3) & ~3))


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
