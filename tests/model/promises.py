"""The promises of the agent (DESIGN: promises 1, 2, 3, 7, 9) as checks of one action, of a state, and of an end.

Each check gives sentences, none if the promise is kept. What an action has sent and read is judged by itself; what is
true on the disks is judged apart from what the action believes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernel import Command, Contents
from .runs import CRASH
from .unit import PATH_FAILED, SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .runs import Call, Runs
    from .site import Site
    from .unit import Unit

MOST_COMMANDS = 200
ON_SENDS, OFF_SENDS = ("register", "reserve"), ("reserve", "preempt", "preempt_abort")
OFF, ON = "OFF", "ON"


def broken_by_sending(runs: Runs, run: int) -> list[str]:
    """Promise 2: what an action is about to send and must not; promise 7: that it never ends."""
    call, moment = runs.call_of(run), runs.moment(run)
    broken = [it for _, command in moment.waiting for it in _broken_by_command(runs.site, call, command)]
    last_read = {it.fd: it.answer for it in moment.sent if not it.command.changes()}
    silent = {fd for fd, answer in last_read.items() if answer in (PATH_FAILED, None)}
    if any(fd in silent and command.name == "register" for fd, command in moment.waiting):
        # It could be carried out when the path comes back, and the node be fenced by then.
        broken.append(f"promise 1: {call.node} registers over a path that has not answered a read")
    if len(moment.sent) > MOST_COMMANDS:
        broken.append(f"promise 7: {call} never ends")
    return broken


def _broken_by_command(site: Site, call: Call, command: Command) -> list[str]:
    if not command.changes():
        return []
    allowed = {"on": ON_SENDS, "off": OFF_SENDS}.get(call.action, ())
    if command.name not in allowed:
        return [f"promise 2: {call.action} sends {command.name}"]
    if command.name == "register" and command.numbers[1] != site.keys[call.node]:
        return [f"promise 2: on registers with 0x{command.numbers[1]:x}"]
    if call.action == "off" and command.numbers[0] != site.keys[call.node]:
        return [f"promise 2: off names 0x{command.numbers[0]:x} as this node's own key"]
    return _broken_by_victim(site, call, command.numbers[1]) if command.name.startswith("preempt") else []


def _broken_by_victim(site: Site, call: Call, victim: int) -> list[str]:
    if victim == 0:
        return ["promise 2: off uses key 0"]
    if victim == site.keys[call.node]:
        return ["promise 2: off names this node's own key as the victim's"]
    return (
        [] if victim == site.keys[call.plug] else [f"promise 2: off preempts 0x{victim:x}, which it was not asked to"]
    )


def broken_by_report(runs: Runs, run: int) -> list[str]:
    """Promises 1, 7 and 9: what a report claims must stand in what the action read after its last step."""
    call, moment = runs.call_of(run), runs.moment(run)
    if moment.report is None or not moment.report.ok:
        crashes = [it for it in moment.report.problems if it.startswith(CRASH)] if moment.report else []
        return [f"promise 5: {call} ends in an {it}" for it in crashes]
    disks = range(len(runs.site.kinds))
    if call.action == "on":
        return [it for disk in disks for it in _broken_by_on(runs, run, disk, _proof(runs, run, disk, {disk}))]
    proofs = [_proof(runs, run, disk, set(disks)) for disk in disks]
    if call.action == "off":
        return _broken_by_off(runs.site, call, proofs)
    return _broken_by_status(runs.site.keys[call.plug], moment.report.verdict, proofs)


def _broken_by_off(site: Site, call: Call, proofs: Sequence[Contents | None]) -> list[str]:
    own, victim = site.keys[call.node], site.keys[call.plug]
    broken = []
    for disk, proof in enumerate(proofs, 1):
        if proof is None:
            broken.append(f"disk {disk} was not read after the last step")
        elif own not in proof.listed():
            broken.append(f"disk {disk}: its own key is absent")
        elif victim in proof.listed():
            broken.append(f"disk {disk}: the victim's key is there")
        elif 0 in proof.listed():
            broken.append(f"disk {disk}: a host with key 0 is registered")
        elif not proof.type:
            broken.append(f"disk {disk}: nothing is reserved")
    return [f"promise 1: {call.node} calls {call.plug} off, but {it}" for it in broken]


def _broken_by_on(runs: Runs, run: int, disk: int, proof: Contents | None) -> list[str]:
    """Every path that has answered must be registered: one that has not counts as dead, and is tolerated."""
    call = runs.call_of(run)
    failed = {it.fd for it in runs.moment(run).sent if it.answer in (PATH_FAILED, None)}
    host, own = runs.site.hosts[call.node], runs.site.keys[call.node]
    expected = {(host.channels[fd].nexus, own) for fd in host.of_disk(disk) if fd not in failed}
    if proof and proof.type and proof.type not in SINGLE and expected <= set(proof.registrants):
        return []
    said = f"promise 7: {call.node} calls itself on, but has not read its registrations and a fitting reservation"
    return [f"{said} on disk {disk + 1}"]


def _broken_by_status(key: int, verdict: str, proofs: Sequence[Contents | None]) -> list[str]:
    registered = [proof is not None and key in proof.listed() for proof in proofs]
    shut_out = [proof and key not in proof.listed() and 0 not in proof.listed() and proof.type for proof in proofs]
    if verdict == ON and not all(registered):
        return ["promise 9: status says ON, but the node is not registered everywhere"]
    if verdict == OFF and not all(shut_out):
        return ["promise 9: status says OFF, but the node is not proved shut out everywhere"]
    return []


def _proof(runs: Runs, run: int, disk: int, others: set[int]) -> Contents | None:
    """What was read last from a disk, whole, after whatever was changed on `others`; None if nothing."""
    first = {fd: _read_from(runs, run, fd, others) for fd in runs.site.hosts[runs.call_of(run).node].of_disk(disk)}
    keys: Contents | None = None
    reservation: Contents | None = None
    for it in runs.moment(run).sent:
        if it.fd in first:
            first[it.fd] -= 1
        if first.get(it.fd, 0) < 0 and isinstance(it.answer, Contents):
            keys = keys if it.command.name == "read_reservation" else it.answer
            reservation = reservation if it.command.name == "read_keys" else it.answer
    if keys is None or reservation is None:
        return None
    return keys._replace(type=reservation.type, holder=reservation.holder, holder_key=reservation.holder_key)


def _read_from(runs: Runs, run: int, fd: int, disks: set[int]) -> int:
    """From which command of a channel on the code had the answers to all its steps on `disks`.

    A read comes after a step if it is not sent while the step's answer is missing: that holds in every order.
    """
    moment, first = runs.moment(run), 0
    channels = runs.site.hosts[runs.call_of(run).node].channels
    for channel in {it.fd for it in moment.sent if channels[it.fd].disk in disks}:
        commands = [it.command for it in moment.sent if it.fd == channel]
        steps = [position for position, command in enumerate(commands) if command.changes()]
        if steps:
            first = max(first, runs.moment(runs.without(run, channel, steps[-1])).issued(fd))
    return first


def broken_by_state(site: Site, units: Sequence[Unit], shut_out: Iterable[str], reserved: int) -> list[str]:
    """Promise 1, the truth: whoever was called off cannot write, and a reservation in force stays what it is."""
    broken = []
    for disk, unit in enumerate(units):
        for node in shut_out:
            if can_write(site, unit, node, disk):
                broken.append(f"promise 1: {node} was called off, but can write to disk {disk + 1}")
        if reserved and unit.type != reserved:
            broken.append(f"promise 1: disk {disk + 1} had a reservation of type {reserved}, now {unit.type}")
        if unit.type in SINGLE:
            broken.append(f"promise 7: only the holder of disk {disk + 1} can write any more")
    return broken


def broken_by_loss(units: Sequence[Unit], expected: Sequence[Iterable[str]]) -> list[str]:
    """Promise 7: at the end whoever nobody fenced is registered as before. expected: the nexuses of each disk."""
    return [
        f"promise 7: nobody fenced {nexus}, but it is not registered on disk {disk} any more"
        for disk, (unit, nexuses) in enumerate(zip(units, expected), 1)
        for nexus in nexuses
        if nexus not in unit.keys and f"{nexus} before" not in unit.keys
    ]


def can_write(site: Site, unit: Unit, node: str, disk: int) -> bool:
    """Over any of its paths."""
    return any(unit.can_write(nexus) for nexus in site.nexuses(node, disk))


def members(site: Site, unit: Unit, disk: int) -> set[str]:
    """The nodes that are registered on a disk over each of their paths."""
    return {node for node in site.hosts if unit.keys.keys() >= set(site.nexuses(node, disk))}


def broken_by_pair(site: Site, units: Sequence[Unit], pair: Sequence[str], winners: Sequence[str]) -> list[str]:
    """Promise 3: somebody of those that fenced each other is left on all disks, and only a survivor succeeds."""
    left = [members(site, unit, disk) for disk, unit in enumerate(units)]
    survivors = set.intersection(*left) & set(pair)
    if not survivors:
        return ["promise 3: none of the nodes that fenced each other is left on all disks"]
    if len(winners) > 1:
        return [f"promise 3: {' and '.join(winners)} both say that they fenced the other"]
    losers = [it for it in winners if it not in survivors]
    return [f"promise 3: {it} says that it fenced the other, but was fenced itself" for it in losers]


def broken_by_true_status(site: Site, units: Sequence[Unit], node: str, said: str) -> list[str]:
    """Promise 9, the truth, once nothing happens any more. said: the verdict, "" if status failed."""
    registered = [site.keys[node] in unit.keys.values() for unit in units]
    out = [not can_write(site, unit, node, disk) and not any(registered) for disk, unit in enumerate(units)]
    if said == OFF and not all(out):
        return [f"promise 9: status says that {node} is OFF, but it can write"]
    if said == ON and not all(registered):
        return [f"promise 9: status says that {node} is ON, but it is not registered everywhere"]
    if not said and all(registered):
        return [f"promise 9: {node} is registered everywhere, but status does not say ON"]
    return []
