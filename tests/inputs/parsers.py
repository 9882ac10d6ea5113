"""Every parser by name, as a function that takes any bytes and raises if the parser's answer is not one it may give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.inputs import SEEDS, answers, hosts, identities, texts

if TYPE_CHECKING:
    from collections.abc import Callable

PARSERS: dict[str, Callable[[bytes], None]] = {
    "stdin": texts.stdin,
    "argv": texts.argv,
    "corosync": texts.conf,
    "keys": texts.key,
    "state": texts.remembered,
    "sysfs": texts.sysfs,
    "scsi": answers.target,
    "nvme": answers.controller,
    "hosts": hosts.target,
    "host": hosts.name,
    "identity": identities.page,
    "identify": identities.identify,
    "name": identities.name,
    "ioctl": answers.kernel,
    "status": answers.statuses,
    "multipathd": answers.daemon,
    "pipe": answers.pipe,
}


def seeds(parser: str) -> dict[str, bytes]:
    """The kept inputs of a parser by name: some to start from, and whatever was once found to break it."""
    return {path.name: path.read_bytes() for path in sorted((SEEDS / parser).iterdir())}
