"""python3 -m tests.lab.demo: one node fences another off real disks, step by step, each step checked."""

from __future__ import annotations

import errno
import os
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fencing import agent
from tests.lab import cache, kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabError, LabUnavailable
from tests.lab.guest import LOGS, PROJECT, Guest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.lab.cluster import Node

WIDTH = 88
MARGIN = 4
LABEL = 15
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
BOLD, GREEN, RED = "1", "32", "31"
REFUSED = errno.errorcode[errno.EBADE]


@dataclass
class NotAsItMustBe(LabError):
    """A step of the demo ended otherwise than it must."""

    what: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.what}: {self.found}; it must be: {self.wanted}"


def main() -> int:
    """0, or 1 with a sentence what is wrong."""
    started = time.monotonic()
    try:
        guest = _fetch()
        try:
            _boot_and_show(guest)
        except LabUnavailable:
            raise
        except LabError as error:
            _complain(f"{error}\nThe guest's log: {guest.log}")
            return 1
        finally:
            guest.stop()
    except LabUnavailable as error:
        _complain(f"this machine cannot run it: {error}")
        return 1
    except KeyboardInterrupt:
        _complain("interrupted; nothing is left running")
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # nobody reads on, as with | head
        sys.stdout = None  # else Python tries once more at its end
        return EXIT_UNREAD
    seconds = time.monotonic() - started
    _say(f"\nAll as it must be, in {seconds:.1f} s. To use it: README.md. All tests: make test")
    return 0


def _fetch() -> Guest:
    _say(_painted("fence_pr_ioctl: one node shuts another out of shared disks", BOLD))
    _say("")
    _row("needs", "x86-64 Debian; no root, and nothing is installed")
    _row("downloads", "once, about 110 MB of Debian packages (a kernel and programs for it)")
    _row("into", str(cache.folder()))
    folder, kernel = root.folder(), kernels.NEWEST.kernel()
    # A checkout may belong to somebody else; the cache is always the caller's own.
    logs = LOGS if os.access(LOGS if LOGS.exists() else PROJECT, os.W_OK) else cache.folder() / "logs"
    return Guest(kernel, folder, logs=logs)


def _boot_and_show(guest: Guest) -> None:
    guest.boot()
    cluster = Cluster(guest)
    _row("runs", f"Linux {guest.kernel.release} as an ordinary process, booted in {guest.boot_seconds:.1f} s")
    _row("nodes", "n1 and n2: one kernel, but each with iSCSI connections of its own")
    _row("disks", "a, b and c: shared, both nodes may write to them as long as nothing is reserved")
    for number, (title, step) in enumerate(STEPS, 1):
        _say(f"\n{_painted(f'{number}. {title}', BOLD)}")
        step(cluster)


def _unfence_both(cluster: Cluster) -> None:
    _explain("Unfencing: when a node joins, the cluster calls the agent on it.")
    _explain("The parameters go to its standard input; devices is one line, wrapped here.")
    _call(cluster.n1, "on", "n1", answer="Success: Powered ON", in_full=True)
    _call(cluster.n2, "on", "n2", answer="Success: Powered ON")
    _show_disks(cluster, "n1", "n2")
    _explain("From now on only nodes whose key is registered can write.")


def _both_write(cluster: Cluster) -> None:
    _try("n1 writes", cluster.n1.write, "ok")
    _try("n2 writes", cluster.n2.write, "ok")


def _fence(cluster: Cluster) -> None:
    _explain("Say n2 has failed: the cluster calls the agent on n1. n2 has no part in it.")
    _call(cluster.n1, "off", "n2", answer="Success: Powered OFF")
    _show_disks(cluster, "n1")


def _shut_out(cluster: Cluster) -> None:
    _try("n2 writes", cluster.n2.write, REFUSED)
    _row("", f'{REFUSED} is "{os.strerror(errno.EBADE)}": the disk answered RESERVATION CONFLICT')
    _show_kernel_log(cluster.n2, agent.LUNS[0])
    _try("n2 reads", cluster.n2.read, "ok")
    _try("n1 writes", cluster.n1.write, "ok")


def _no_way_back(cluster: Cluster) -> None:
    _explain("n2 still runs. Say it believes that n1 has failed, and calls the agent in turn.")
    before = [cluster.reservation(lun) for lun in agent.LUNS]
    _call(cluster.n2, "off", "n1", exit_code=1, answer="Failed: nothing was changed on any disk")
    _check("the disks after n2's attempt", [cluster.reservation(lun) for lun in agent.LUNS], before)
    _row("disks", "unchanged, by the storage's own count of changes, too")
    _try("n1 writes", cluster.n1.write, "ok")


def _ask(cluster: Cluster) -> None:
    _call(cluster.n1, "status", "n2", exit_code=2, answer="Status: OFF")
    _row("", "exit 0 is ON, 2 is OFF, 1 means that neither is proved")


def _let_in_again(cluster: Cluster) -> None:
    _explain("Say n2 has been repaired and rejoins: the cluster unfences it, as in step 1.")
    _call(cluster.n2, "on", "n2", answer="Success: Powered ON")
    _show_disks(cluster, "n1", "n2")
    _try("n2 writes", cluster.n2.write, "ok")


STEPS: Sequence[tuple[str, Callable[[Cluster], None]]] = (
    ("Both nodes are let in", _unfence_both),
    ("Both nodes can write", _both_write),
    ("n1 fences n2", _fence),
    ("n2 is shut out", _shut_out),
    ("n2 cannot fence back", _no_way_back),
    ("Is n2 shut out? n1 asks", _ask),
    ("n2 is let in again", _let_in_again),
)


def _call(
    node: Node,
    action: str,
    plug: str,
    *,
    answer: str,
    exit_code: int = 0,
    in_full: bool = False,
) -> None:
    """Call the agent as Pacemaker does, show it, and check the exit code and the answer.

    That is the first line of a success and the last of a failure, which begins with what each disk said. What the
    person can do stands behind a semicolon.
    """
    devices = agent.disks(node, agent.LUNS)
    sent = [f"nodename={plug}", f"action={action}", f"port={plug}", f"devices={devices}"]
    shown = sent if in_full else [*sent[:-1], "devices=... (the same three disks)"]
    lines = [line for each in shown for line in each.replace(",", ",\n        ").splitlines()]
    for label, line in zip([f"{node.name} is sent", *[""] * len(lines)], lines):
        _say(f"{'':{MARGIN}}{label:{LABEL}}{line}")
    done = node.run([agent.AGENT], stdin="".join(f"{line}\n" for line in sent), timeout=agent.LIMIT_SECONDS)
    said = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    for label, line in zip(["it answers", *[""] * len(said)], said):
        _row(label, line)
    _row("exit code", f"{done.returncode}, after {done.seconds * 1000:.0f} ms")
    what = f"the end of the agent's action {action} on {node.name}"
    verdict = said[-1 if done.returncode else 0].partition(";")[0] if said else "no answer"
    _check(what, f"exit code {done.returncode}, {verdict}", f"exit code {exit_code}, {answer}")


def _show_disks(cluster: Cluster, *nodes: str) -> None:
    """Show what the target says; on all disks it must be the keys of just these nodes, and a reservation."""
    keys = {node: agent.key(node) for node in nodes}
    for lun in agent.LUNS:
        said = cluster.reservation(lun)
        _check(f"disk {lun}", _in_words(said.type, said.keys), _in_words(agent.WERO, keys))
    _row("storage says", f"the same of disks {', '.join(agent.LUNS)}:")
    _row("", f"reserved: write exclusive, registrants only (type {agent.WERO} of linux/pr.h)")
    for node in ("n1", "n2"):
        _row("", f"key of {node}: " + (f"0x{keys[node]:x}" if node in keys else "not registered"))


def _in_words(reservation_type: int, keys: Mapping[str, int]) -> str:
    listed = ", ".join(f"{node} 0x{key:x}" for node, key in sorted(keys.items()))
    return f"reservation type {reservation_type}, keys {listed or 'none'}"


def _show_kernel_log(node: Node, lun: str) -> None:
    """What the node's kernel says about the conflict; older kernels say less."""
    disk = node.disk(lun).removeprefix("/dev/")
    said = node.guest.run(["dmesg"], check=True).stdout.splitlines()
    for line in [line for line in said if "reservation conflict" in line and f"dev {disk}," in line][:1]:
        _row("kernel log", line)


def _try(what: str, operation: Callable[[str], str], wanted: str) -> None:
    """Read or write 4096 bytes of every disk past the page cache, and show how that went."""
    results = {lun: operation(lun) for lun in agent.LUNS}
    _row(what, "   ".join(f"{lun}: {_verdict(result)}" for lun, result in results.items()))
    for lun, result in results.items():
        _check(f"{what} disk {lun}", result, wanted)


def _verdict(result: str) -> str:
    if result == "ok":
        return _painted(result, GREEN)
    return _painted(f"refused ({result})" if result == REFUSED else result, RED)


def _check(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise NotAsItMustBe(what, str(found), str(wanted))


def _row(label: str, text: str) -> None:
    indent = " " * (MARGIN + LABEL)
    start = f"{'':{MARGIN}}{label:{LABEL}}"
    fill = textwrap.TextWrapper(
        WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    ).fill
    _say(fill(text))


def _explain(text: str) -> None:
    _say(textwrap.fill(text, WIDTH, initial_indent=" " * MARGIN, subsequent_indent=" " * MARGIN))


def _painted(text: str, colour: str) -> str:
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return text
    return f"\033[{colour}m{text}\033[0m"


def _say(text: str) -> None:
    print(text, flush=True)


def _complain(text: str) -> None:
    print(f"demo: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
