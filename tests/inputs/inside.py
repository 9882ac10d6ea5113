#!/usr/bin/python3 -ISB
"""Runs a program in a hostile surrounding, on a node of the lab: inside.py SURROUNDING PROGRAM [ARGUMENT...]"""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys

kept_open: list[socket.socket] = []


def open_many() -> None:
    """Fifteen hundred descriptors that the program inherits, without a gap."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
    for fd in range(3, 1500):
        os.dup2(0, fd)


def ignore_children() -> None:
    """Nobody hears of the end of the program's children."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def forbid_everything() -> None:
    """A mask under which files are made that nobody may use."""
    os.umask(0o777)


def stick_log() -> None:
    """A log daemon that has stopped taking messages, in a mount namespace of its own."""
    path = "/run/stuck-log"
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(path)
    listening.set_inheritable(True)
    kept_open.append(listening)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.connect(path)
        sending.setblocking(False)
        try:
            while True:
                sending.send(b"x")
        except BlockingIOError:
            pass
    subprocess.run(["mount", "--bind", path, "/run/log"], check=True)
    os.unlink(path)


def close_streams() -> None:
    """No standard stream but the input."""
    os.close(1)
    os.close(2)


SURROUNDINGS = {
    made.__name__: made for made in (open_many, ignore_children, forbid_everything, stick_log, close_streams)
}

if __name__ == "__main__":
    SURROUNDINGS[sys.argv[1]]()
    os.execv(sys.argv[2], sys.argv[2:])
