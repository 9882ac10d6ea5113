"""Which calls are shown, and in which state of the lab. Another one is another row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fencing.agent import LIMIT_SECONDS, disks, succeed
from tests.tool.pr_fence import CIB, configure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster import Cluster

LUNS = "ab"
FOREIGN = 0xBAD
COLUMNS = 100
_ERASED = "\x1b[K"  # what progress stands in front of, until there is more
_DEVICE = """\
<primitive id="shared-disks" class="stonith" type="fence_pr_ioctl">
  <instance_attributes id="options"><nvpair id="devices" name="devices" value="{devices}"/></instance_attributes>
</primitive>
"""
# As on a terminal, which the guest's shell does not have; of no size, so that the widest line is the programs' own.
_ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
# What differs from run to run: names of disks, and how often the target has counted.
_DIFFERS = (
    (re.compile(r"/dev/sd[a-z]+\b"), "/dev/sdX"),
    (re.compile(r"\bsd[a-z]+\b *"), "sdX "),
    (re.compile(r"\bgeneration +\d+"), "generation N"),
    (re.compile(r"\x1b\[[\d;]*m| +$"), ""),
    (re.compile(r"  +"), "  "),
)


@dataclass(frozen=True)
class Capture:
    """A call that is shown.

    name     of the picture
    says     what it shows, for who cannot see it
    command  what is typed; {disk} is the first disk
    node     where
    prepare  brings the lab's disks into the state
    code     the exit code
    """

    name: str
    says: str
    command: str
    node: str
    prepare: Callable[[Cluster], None]
    code: int

    def typed(self, lab: Cluster) -> str:
        """The command line."""
        node = lab.nodes[self.node]
        return self.command.format(disk=node.by_id(LUNS[0]), disks=disks(node, LUNS))

    def printed(self, lab: Cluster) -> list[str]:
        """The lines that it prints on a terminal, with its colours. Raises AssertionError if it ends otherwise."""
        lab.drain()
        self.prepare(lab)
        node = lab.nodes[self.node]
        configure(node, _DEVICE.format(devices=disks(node, LUNS).replace(",", " ")))
        program, *words = self.typed(lab).split()
        command = ["python3", "-c", _ON_A_TERMINAL, f"/project/{program}", *words]
        done = node.run(command, env={"CIB_file": CIB, "TERM": "xterm"}, cwd="/", timeout=LIMIT_SECONDS)
        assert done.returncode == self.code, done
        lines = done.stdout.replace("\r\n", "\n").rstrip("\n").split("\n")
        return [line.rpartition(_ERASED)[2] for line in lines]


def same(line: str) -> str:
    """A line without what differs from run to run, and without colours."""
    for pattern, shown in _DIFFERS:
        line = pattern.sub(shown, line)
    return line


def _empty(lab: Cluster) -> None:
    """Nobody is registered."""
    del lab


def _joined(lab: Cluster) -> None:
    """n1 and n2 are registered, n3 is not."""
    for name in ("n1", "n2"):
        succeed(lab.nodes[name], "on", name, luns=LUNS)


def _with_a_foreign_key(lab: Cluster) -> None:
    _joined(lab)
    assert lab.n3.pr(LUNS[1], "register", 0, FOREIGN, 1) == 0


def _fenced(lab: Cluster) -> None:
    _joined(lab)
    succeed(lab.n1, "off", "n2", luns=LUNS)


CAPTURES = (
    Capture("show", "pr_fence show: two nodes are registered on two disks, on one of which a key stands that is no"
            " node's", "pr_fence show", "n1", _with_a_foreign_key, 1),
    Capture("doctor", "pr_fence doctor: the fence device lacks provides=unfencing, with what shows it, its cause and"
            " what to do; then what else is to know", "pr_fence doctor", "n1", _joined, 1),
    Capture("preflight", "pr_fence preflight: what one disk says of itself, as PASS and WARN",
            "pr_fence preflight {disk}", "n1", _empty, 0),
    Capture("plan", "pr_fence plan off n2: the step on each disk, and the verdict", "pr_fence plan off n2", "n1",
            _joined, 0),
    Capture("repair", "pr_fence repair clear: refused, because a fence device names the disk and nodes are registered",
            "pr_fence repair clear {disk}", "n1", _joined, 1),
    Capture("off-fails", "A fenced node cannot fence: what the agent says of each disk, and that nothing was changed",
            "fence_pr_ioctl -o off -n n1 -d {disks}", "n2", _fenced, 1),
)  # fmt: skip
