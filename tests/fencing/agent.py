"""The agent on a node of the lab, called as Pacemaker calls it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from fence_pr import corosync, keys
from tests import told
from tests.lab.inside import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.lab.cluster import Node
    from tests.lab.guest import Completed, Running

AGENT = "/project/fence_pr_ioctl"
LUNS = ("a", "b", "c")
WERO = 3
LIMIT_SECONDS = 60


def key(node: str) -> int:
    """The key that the agent gives a node of the lab's cluster."""
    return keys.of_node(node, corosync.parse(layout.corosync_conf()))


def disks(node: Node, luns: Iterable[str]) -> str:
    """The value of the option devices."""
    return ",".join(node.by_id(lun) for lun in luns)


def start(
    node: Node,
    action: str,
    plug: str = "",
    luns: Iterable[str] = LUNS,
    program: Sequence[str] = (AGENT,),
    **options: str,
) -> Running:
    """Start the agent, or a program that runs it, with parameters on standard input; `plug` is the node to act on.

    Unless an option says otherwise it does not wait for what the storage had accepted: what the test is about must
    hold without that.
    """
    given = {"action": action, "nodename": plug, "port": plug, "devices": disks(node, luns), "settle_time": "0"}
    given |= options
    text = "".join(f"{name}={value}\n" for name, value in given.items() if value)
    return node.start([*program], stdin=text, timeout=LIMIT_SECONDS, cwd="/")


def run(node: Node, action: str, plug: str = "", luns: Iterable[str] = LUNS, **options: str) -> Completed:
    """Run the agent to its end."""
    return start(node, action, plug, luns, **options).wait()


def succeed(node: Node, action: str, plug: str = "", luns: Iterable[str] = LUNS, **options: str) -> Completed:
    """Run the agent, which must succeed and be silent on standard error."""
    done = run(node, action, plug, luns, **options)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done


def fail(node: Node, action: str, plug: str = "", luns: Iterable[str] = LUNS, **options: str) -> list[str]:
    """Run the agent, which must fail; the lines it says on standard error, no line twice."""
    done = run(node, action, plug, luns, **options)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, ""), done
    assert lines, done
    assert len(set(lines)) == len(lines), done
    assert all(map(told.code_of_failure, lines))
    return lines
