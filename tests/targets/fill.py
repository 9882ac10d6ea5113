#!/usr/bin/python3 -ISB
"""Registers many initiators with an iSCSI target, until it has no room for another one.

    fill.py PORT TARGET_NAME KEY

The kernel needs a disk for each initiator; this speaks just enough iSCSI to register and go (RFC 7143: 11.2 basic
header segment, 11.3 SCSI command, 11.12 login; SPC-4 6.17 PERSISTENT RESERVE OUT). Writes how many were registered, and
in hexadecimal the sense key, ASC and ASCQ with which the next one was refused.
"""

from __future__ import annotations

import socket
import struct
import sys

HEADER_BYTES = 48
PARAMETER_BYTES = 24
MOST = 1000
LOGIN, COMMAND, IMMEDIATE = 0x03, 0x01, 0x40
TRANSIT, OPERATIONAL_TO_FULL = 0x80, 0x07
FINAL, WRITES, SIMPLE = 0x80, 0x20, 0x01
FIXED_SENSE, RESPONSE_CODE = 0x70, 0x7F


def main() -> None:
    """Register one after the other."""
    port, target, key = int(sys.argv[1]), sys.argv[2], int(sys.argv[3], 16)
    for number in range(MOST):
        refusal = register(port, target, f"iqn.2026-01.lab.host:filler{number}", key)
        if refusal:
            print(number, refusal)
            return
    sys.exit(f"there is room for {MOST}")


def register(port: int, target: str, initiator: str, key: int) -> str:
    """REGISTER by a new initiator: "", or why not."""
    with socket.create_connection(("127.0.0.1", port)) as there:
        text = f"InitiatorName={initiator}\0TargetName={target}\0SessionType=Normal\0".encode()
        header = struct.pack(">BBH", LOGIN | IMMEDIATE, TRANSIT | OPERATIONAL_TO_FULL, 0)
        header += len(text).to_bytes(4, "big") + b"\x80\0\0\0\0\0\0\0" + struct.pack(">IIII", 1, 0, 1, 0)
        answer, _ = _exchange(there, header, text)
        if answer[36]:
            raise SystemExit(f"login refused: {answer[36:38].hex()}")
        command = bytes([0x5F, 0, 0, 0, 0]) + struct.pack(">IB", PARAMETER_BYTES, 0)
        data = struct.pack(">QQ", 0, key).ljust(PARAMETER_BYTES, b"\0")
        header = struct.pack(">BBH", COMMAND, FINAL | WRITES | SIMPLE, 0) + len(data).to_bytes(4, "big") + bytes(8)
        header += struct.pack(">IIII", 2, len(data), 1, 1) + command.ljust(16, b"\0")
        answer, sense = _exchange(there, header, data)
        if answer[3] == 0:
            return ""
        length_bytes = 2
        found = sense[length_bytes:]
        assert found[0] & RESPONSE_CODE == FIXED_SENSE, sense
        return bytes([found[2] & 0xF, *found[12:14]]).hex()


def _exchange(there: socket.socket, header: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Send one unit, receive one: its header and its data."""
    there.sendall(header.ljust(HEADER_BYTES, b"\0") + data + bytes(-len(data) % 4))
    answer = _read(there, HEADER_BYTES)
    length = int.from_bytes(answer[5:8], "big")
    return answer, _read(there, length + -length % 4)


def _read(there: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = there.recv(count - len(data))
        if not chunk:
            raise SystemExit("the target has hung up")
        data += chunk
    return data


if __name__ == "__main__":
    main()
