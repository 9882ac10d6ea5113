#!/usr/bin/python3 -ISB
"""Agents that are broken on purpose: each must be caught within a few rounds.

broken.py liar          'off' does nothing, and says that it did
broken.py first-disk    'off' fences on the first disk only
broken.py comes-back    'off' registers this node first, so that one that was fenced fences its way back in
"""

from __future__ import annotations

import os
import subprocess
import sys

sys.path.insert(0, "/project/lib")

from fence_pr import corosync, keys
from fence_pr.storage import pr_ioctl

AGENT = "/project/fence_pr_ioctl"


def main(kind: str) -> int:
    """Options on standard input, as for the agent; its exit status."""
    given = dict(line.split("=", 1) for line in sys.stdin.read().splitlines())
    if given["action"] == "off":
        if kind == "liar":
            print("Success: Powered OFF")
            return 0
        if kind == "first-disk":
            given["devices"] = given["devices"].split(",")[0]
        if kind == "comes-back":
            _register(given["devices"])
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    return subprocess.run([AGENT], input=text, text=True, check=False).returncode


def _register(devices: str) -> None:
    key = keys.of_node(os.uname().nodename, corosync.load())
    for device in devices.split(","):
        fd = pr_ioctl.open_disk(device)
        pr_ioctl.register(fd, 0, key, pr_ioctl.FLAG_IGNORE_KEY)
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
