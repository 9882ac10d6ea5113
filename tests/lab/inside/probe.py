#!/usr/bin/python3 -ISB
"""Calls functions of the project's ioctl module in the guest: JSON on standard input, JSON on standard output.

In: {"set": {"module.NAME": value, …}, "calls": [[device, "module.function", argument, …], …]}.
Out, for each call: {"result": …} (records as dictionaries), or {"error": class, "status": number, "text": sentence}.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

sys.path.insert(0, "/project/lib")

from fence_pr.errors import ReservationError
from fence_pr.record import Record
from fence_pr.storage import pr_ioctl, scsi

MODULES = {"pr_ioctl": pr_ioctl, "scsi": scsi}


def main() -> None:
    """Answer one request."""
    request = json.load(sys.stdin)
    for name, value in request["set"].items():
        module, constant = name.split(".")
        assert hasattr(MODULES[module], constant), name
        setattr(MODULES[module], constant, value)
    json.dump([call(*entry) for entry in request["calls"]], sys.stdout)


def call(device: str, name: str, *arguments: int) -> dict[str, Any]:
    """One call on a descriptor of its own."""
    module, function = name.split(".")
    fd = pr_ioctl.open_disk(device)
    try:
        result = getattr(MODULES[module], function)(fd, *arguments)
    except ReservationError as error:
        return {"error": type(error).__name__, "status": error.status, "text": str(error)}
    finally:
        os.close(fd)
    return {"result": vars(result) if isinstance(result, Record) else result}


if __name__ == "__main__":
    main()
