"""Runs in a host: a remote shell for a network of tests, without keys and passwords.

`python3 remote_shell.py NODE COMMAND` has a shell on the node run the command, and ends as it did; without arguments it
serves the others, on this host's address of the cluster.
"""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
from socket import SHUT_WR, create_connection
from typing import IO

PORT = 2222


class Shell(socketserver.StreamRequestHandler):
    """One command."""

    rfile: IO[bytes]  # type: ignore[assignment]
    wfile: IO[bytes]  # type: ignore[assignment]

    def handle(self) -> None:
        """Run it, and send what came of it."""
        command = self.rfile.read().decode()
        done = subprocess.run(
            ["sh", "-c", command], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        self.wfile.write(json.dumps([done.returncode, done.stdout, done.stderr]).encode())


class Server(socketserver.ThreadingTCPServer):
    """Any number at once."""

    allow_reuse_address = True


def address(node: str) -> str:
    """As tests.lab.inside.layout has it; this file is also run alone."""
    return f"10.99.0.{node[1:]}"


def ask(node: str, command: str) -> int:
    """Print what the node's shell prints; its exit status."""
    with create_connection((address(node), PORT), timeout=60) as connection:
        connection.sendall(command.encode())
        connection.shutdown(SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    code, out, err = json.loads(answer)
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(code)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(ask(sys.argv[1], " ".join(sys.argv[2:])))
    Server((address(os.uname().nodename), PORT), Shell).serve_forever()
