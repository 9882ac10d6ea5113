"""The promises of the agent (1, 2, 3, 4, 7, 9, 11) as checks of one action, of a state, and of an end.

Each check gives sentences, none if the promise is kept. What an action has sent and read is judged by itself; what is
true on the disks is judged apart from what the action believes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .kernel import Command, Contents
from .runs import CRASH
from .unit import CONFLICT, OK, PATH_FAILED, SINGLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .runs import Call, Runs
    from .site import Site
    from .states import Program
    from .unit import Unit

MOST_COMMANDS = 200
ON_SENDS, OFF_SENDS = ("register", "reserve", "preempt"), ("reserve", "preempt", "preempt_abort", "reset")
OFF, ON = "OFF", "ON"
# The warnings that something may land yet.
ACCEPTED = ("abort-missing", "abort-unconfirmed")


def broken_by_sending(runs: Runs, run: int) -> list[str]:
    """Promise 2: what an action is about to send and must not; promise 7: that it never ends."""
    call, moment = runs.call_of(run), runs.moment(run)
    others = (_withdraws, _releases_nothing, _renews)
    steps = [it for fd, it in moment.waiting if not any(is_it(runs, run, fd, it) for is_it in others)]
    broken = [it for command in steps for it in _broken_by_command(runs.site, call, command)]
    last_read = {it.fd: it.answer for it in moment.sent if not it.command.changes()}
    silent = {fd for fd, answer in last_read.items() if answer in (PATH_FAILED, None)}
    adding = [fd for fd, it in moment.waiting if it.name == "register" and not _withdraws(runs, run, fd, it)]
    if silent.intersection(adding):
        # It could be carried out when the path comes back, and the node be fenced by then.
        broken.append(f"promise 1: {call.node} registers over a path that has not answered a read")
    resets = [fd for fd, it in moment.waiting if it.name == "reset"]
    broken += [it for fd in resets for it in _broken_by_reset(runs, run, fd)]
    if len(moment.sent) > MOST_COMMANDS:
        broken.append(f"promise 7: {call} never ends")
    return broken


def _broken_by_command(site: Site, call: Call, command: Command) -> list[str]:
    if not command.changes():
        return []
    allowed = {"on": ON_SENDS, "off": OFF_SENDS}.get(call.action, ())
    if _is_question(command):
        return []
    if command.name not in allowed:
        return [f"promise 2: {call.action} sends {command.name}"]
    if command.name == "reset":
        return [] if call.conf.drains else [f"promise 4: {call} resets a disk, which it was not asked to"]
    own = site.key(call.node, call.conf)
    if command.name == "register" and command.numbers[1] != own:
        return [f"promise 2: on registers with 0x{command.numbers[1]:x}"]
    if command.name != "register" and command.numbers[0] not in {own, *site.all_keys(call.node)}:
        return [f"promise 2: {call.action} names 0x{command.numbers[0]:x} as this node's own key"]
    return _broken_by_victim(site, call, *command.numbers[:2]) if command.name.startswith("preempt") else []


def _broken_by_reset(runs: Runs, run: int, fd: int) -> list[str]:
    """A reset ends every node's commands: once a disk, and only by the node that was told that it removed the key."""
    call, channels = runs.call_of(run), runs.site.hosts[runs.call_of(run).node].channels
    sent = [it for it in runs.moment(run).sent if channels[it.fd].disk == channels[fd].disk]
    broken = [f"promise 4: {call} resets a disk twice"] if any(it.command.name == "reset" for it in sent) else []
    if not any(it.command.name.startswith("preempt") and it.answer == OK for it in sent):
        broken.append(f"promise 4: {call} resets a disk from which it has removed nobody")
    return broken


def broken_by_accepted(runs: Runs, run: int, units: Sequence[Unit]) -> list[str]:
    """Promise 4: a success without a word of it means that nothing lands any more which a target had accepted; but on
    disks where the victim was out already when the call began.
    """
    call, report = runs.call_of(run), runs.moment(run).report
    if not report or not report.ok or call.action != "off" or any(it.code in ACCEPTED for it in report.warnings):
        return []
    return [
        f"promise 4: {call}: disk {disk + 1}: a write of {call.plug} that was accepted before lands later"
        for disk, unit in enumerate(units)
        if unit.accepted.intersection(runs.site.nexuses(call.plug, disk)) and _was_there(runs, run, disk)
    ]


def _was_there(runs: Runs, run: int, disk: int) -> bool:
    """Whether the victim's key was in the first list of keys that the call has read."""
    call, paths = runs.call_of(run), runs.site.hosts[runs.call_of(run).node].of_disk(disk)
    read = [it.answer for it in runs.moment(run).sent if it.fd in paths and it.command.name != "read_reservation"]
    listed = next((it.listed() for it in read if isinstance(it, Contents)), ())
    return not runs.site.all_keys(call.plug).isdisjoint(listed)


def _is_question(command: Command) -> bool:
    """REGISTER from a key to itself, without IGNORE: it changes nothing, and tells whether the nexus has the key."""
    return command.name == "register" and command.numbers[0] == command.numbers[1] != 0 and not command.numbers[2]


def _releases_nothing(runs: Runs, run: int, fd: int, command: Command) -> bool:
    """RELEASE of a type that was not in force: it changes nothing, and tells whether the nexus is heeded."""
    read = [it for it in runs.moment(run).sent if it.fd == fd and it.command.name != "read_keys"]
    told = [it.answer.type for it in read if isinstance(it.answer, Contents)]
    return command.name == "release" and bool(told and told[-1]) and command.numbers[1] not in (0, told[-1])


def _withdraws(runs: Runs, run: int, fd: int, command: Command) -> bool:
    """Whether it takes back, without IGNORE, what the same action has registered over the path."""
    sent = [it.command for it in runs.moment(run).sent if it.fd == fd]
    return command.name == "register" and command.numbers[1:] == (0, 0) and any(map(registers, sent))


def _renews(runs: Runs, run: int, fd: int, command: Command) -> bool:
    """Whether it ends, without IGNORE, a registration that the target does not go by, as it has said over this path to
    a RELEASE that releases nothing. Who ends it adds it again: else its 'on' does not succeed.
    """
    if runs.call_of(run).action != "on" or command.name != "register" or command.numbers[1:] != (0, 0):
        return False
    told = [it.answer for it in runs.moment(run).sent if it.fd == fd and it.command.name == "release"]
    return bool(told) and told[-1] == CONFLICT


def registers(command: Command) -> bool:
    """Whether it can make a registration where there is none."""
    return command.name == "register" and (not command.numbers[0] or bool(command.numbers[2]))


def nothing_told(runs: Runs, program: Program, fd: int) -> bool:
    """Whether what is under way over a path is a REGISTER of an 'on' that nothing told that its node was fenced.

    It was sent after a reading over this path that shows no registration removed: none was, or it was removed later.
    Nobody can recall what is sent. Where the node had no registration when it was called off, no reading shows that.
    """
    moment = runs.moment(program.run)
    command = next(it for channel, it in moment.waiting if channel == fd)
    if runs.call_of(program.run).action != "on" or not registers(command) or fd in program.told:
        return False
    relevant = [it for it in moment.sent if it.fd == fd and (isinstance(it.answer, Contents) or registers(it.command))]
    return bool(relevant) and not registers(relevant[-1].command)


def _broken_by_victim(site: Site, call: Call, own: int, victim: int) -> list[str]:
    """Whose registrations go the change itself tells (`broken_by_change`)."""
    if victim == 0:
        return [f"promise 2: {call.action} uses key 0"]
    if victim == own:
        return [f"promise 2: {call.action} names this node's own key as the victim's"]
    if victim in site.all_keys(call.node if call.action == "on" else call.plug):
        return []
    return [f"promise 2: {call.action} preempts 0x{victim:x}, which it was not asked to"]


def broken_by_change(site: Site, call: Call, before: Unit, after: Unit) -> list[str]:
    """Promise 4: whose registrations a call has removed; promise 11: or replaced."""
    its_own = call.node if call.action == "on" else call.plug
    gone = [nexus for nexus in before.keys if nexus not in after.keys]
    broken = [
        f"promise 4: {call} removes {nexus}"
        for nexus in gone
        if site.owners(nexus) - {its_own} and its_own not in site.owners(nexus)
    ]
    for nexus, key in before.keys.items():
        owners = site.owners(nexus)
        if after.keys.get(nexus, key) != key and any(key in site.all_keys(it) for it in owners - {its_own}):
            broken.append(f"promise 11: {call} replaces the key of another node over {nexus}")
    return broken


def broken_by_report(runs: Runs, run: int) -> list[str]:
    """Promises 1, 7 and 9: what a report claims must stand in what the action read after its last step."""
    call, moment = runs.call_of(run), runs.moment(run)
    if moment.report is None or not moment.report.ok:
        crashes = [it for it in moment.report.problems if it.code == CRASH] if moment.report else []
        return [f"promise 5: {call} ends in an {it}" for it in crashes]
    disks = runs.site.named()
    if call.action == "on":
        return [it for disk in disks for it in _broken_by_on(runs, run, disk, _proof(runs, run, disk, {disk}))]
    proofs = [_proof(runs, run, disk, set(disks)) for disk in disks]
    if call.action == "off":
        return _broken_by_off(runs.site, call, proofs)
    if call.action == "status":
        return _broken_by_status(runs.site, call, moment.report.verdict, proofs)
    return []


def _broken_by_off(site: Site, call: Call, proofs: Sequence[Contents | None]) -> list[str]:
    own, victim = {site.key(call.node, call.conf), *site.all_keys(call.node)}, site.key(call.plug, call.conf)
    broken = []
    for disk, proof in zip(site.named(), proofs):
        if proof is None:
            broken.append(f"promise 1: {call}: disk {disk + 1} was not read after the last step")
        elif own.isdisjoint(proof.listed()):
            broken.append(f"promise 1: {call}: disk {disk + 1}: its own key is absent")
        elif victim in proof.listed():
            broken.append(f"promise 1: {call}: disk {disk + 1}: the victim's key is there")
        elif 0 in proof.listed():
            broken.append(f"promise 1: {call}: disk {disk + 1}: a host with key 0 is registered")
        elif not proof.type:
            broken.append(f"promise 1: {call}: disk {disk + 1}: nothing is reserved")
        elif _is_registered(site, call.plug, disk, proof):
            broken.append(f"promise 11: {call}: disk {disk + 1}: the victim is there, by another key")
    return broken


def _is_registered(site: Site, node: str, disk: int, proof: Contents) -> bool:
    """Whether the node can write, by whatever key."""
    return any(
        nexus in site.writers(node, disk) and _is_its_own(site, node, nexus, key) for nexus, key in proof.registrants
    )


def _broken_by_on(runs: Runs, run: int, disk: int, proof: Contents | None) -> list[str]:
    """Every path that has answered must be registered: one that has not counts as dead, and is tolerated."""
    call = runs.call_of(run)
    failed = {it.fd for it in runs.moment(run).sent if it.answer in (PATH_FAILED, None)}
    host, own = runs.site.hosts[call.node], runs.site.key(call.node, call.conf)
    expected = {(host.channels[fd].nexus, own) for fd in host.of_disk(disk) if fd not in failed}
    if proof and proof.type and proof.type not in SINGLE and expected <= set(proof.registrants):
        return []
    said = f"promise 7: {call.node} calls itself on, but has not read its registrations and a fitting reservation"
    return [f"{said} on disk {disk + 1}"]


def _broken_by_status(site: Site, call: Call, verdict: str, proofs: Sequence[Contents | None]) -> list[str]:
    key, broken = site.key(call.plug, call.conf), list[str]()
    for disk, proof in zip(site.named(), proofs):
        listed = proof.listed() if proof else ()
        if verdict == ON and site.all_keys(call.plug).isdisjoint(listed):
            broken.append("promise 9: status says ON, but the node is not registered everywhere")
        if verdict == OFF and (not proof or key in listed or 0 in listed or not proof.type):
            broken.append("promise 9: status says OFF, but the node is not proved fenced everywhere")
        elif verdict == OFF and proof and _is_registered(site, call.plug, disk, proof):
            broken.append("promise 11: status says OFF of a node that is registered by another key")
    return broken


def _proof(runs: Runs, run: int, disk: int, others: set[int]) -> Contents | None:
    """What was read last from a disk, whole, after whatever was changed on `others`; None if nothing."""
    first = {fd: _read_from(runs, run, fd, others) for fd in runs.site.hosts[runs.call_of(run).node].of_disk(disk)}
    keys: Contents | None = None
    reservation: Contents | None = None
    for it in runs.moment(run).sent:
        if it.fd in first:
            first[it.fd] -= 1
        # What hosts are behind keys says nothing of what came between the list of the keys and this.
        if first.get(it.fd, 0) < 0 and isinstance(it.answer, Contents) and it.command.name != "full_status":
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
        steps = [at for at, command in enumerate(commands) if command.changes() and command.name != "release"]
        if steps:
            first = max(first, runs.moment(runs.without(run, channel, steps[-1])).issued(fd))
    return first


def broken_by_state(site: Site, units: Sequence[Unit], out: Iterable[str], reserved: int) -> list[str]:
    """Promises 1 and 11, the truth: whoever was called off cannot write. And a reservation stays what it is."""
    broken = []
    for disk, unit in enumerate(units):
        for node in out:
            if can_write(site, unit, node, disk):
                number = 1 if not unit.type or site.keys[node] in unit.keys.values() else 11
                broken.append(f"promise {number}: {node} was called off, but can write to disk {disk + 1}")
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
    """Over any of its nexuses, dead paths among them: they may come back; if it knows the disk at all."""
    return bool(site.nexuses(node, disk)) and any(
        unit.can_write(nexus) and (not unit.type or _is_its_own(site, node, nexus, unit.keys.get(nexus, 0)))
        for nexus in site.writers(node, disk)
    )


def _is_its_own(site: Site, node: str, nexus: str, key: int) -> bool:
    """Whether a registration is the node's. Where two nodes are one nexus it is, with the key of one of them, that
    one's: the other's 'on' was refused, so nothing runs there, and no target could tell their writes apart.
    """
    others = site.owners(nexus) - {node}
    return key in site.all_keys(node) or not any(key in site.all_keys(it) for it in others)


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


def broken_by_true_status(site: Site, units: Sequence[Unit], call: Call, said: str) -> list[str]:
    """Promise 9, the truth, once nothing happens any more. said: the verdict, "" if status failed."""
    node, key = call.plug, site.key(call.plug, call.conf)
    registered = [not site.all_keys(node).isdisjoint(units[disk].keys.values()) for disk in site.named()]
    if said == OFF and any(can_write(site, unit, node, disk) for disk, unit in enumerate(units)):
        return [f"promise 9: status says that {node} is OFF, but it can write", f"promise 11: {node} is called off"]
    if said == ON and not all(registered):
        return [f"promise 9: status says that {node} is ON, but it is not registered everywhere"]
    if not said and len(site.confs) == 1 and all(key in units[disk].keys.values() for disk in site.named()):
        return [f"promise 9: {node} is registered everywhere, but status does not say ON"]
    return []
