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

AGENT = "/project/fence_pr_ioctl"


def main(kind: str) -> int:
    """Options on standard input, as for the agent; its exit status."""
    text = sys.stdin.read()
    given = dict(line.split("=", 1) for line in text.splitlines())
    if given["action"] == "off" and kind == "liar":
        print("Success: Powered OFF")
        return 0
    if given["action"] == "off" and kind == "first-disk":
        given["devices"] = given["devices"].split(",")[0]
    if given["action"] == "off" and kind == "comes-back":
        _run({**given, "action": "on", "plug": os.uname().nodename})
    return _run(given)


def _run(given: dict[str, str]) -> int:
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    return subprocess.run([AGENT], input=text, text=True, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
