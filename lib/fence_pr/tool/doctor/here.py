"""This node as the doctor sees it: everything that can be read here, and what is wrong with it."""

from __future__ import annotations

import os
from errno import ENOENT

from ... import __version__, corosync
from ...errors import DeviceRefused, FenceError, Notice
from ...files import what_failed
from ...parallel import on_each
from ...record import Record
from ...storage.device import read_attribute
from ..cluster import ask
from ..reading import ReadingOnly
from ..rights import OF_FILES
from ..sources import Sources, find
from ..subcommands import TOOL
from . import devices, machine, rules
from .configuration import Configuration
from .configuration import parse as parse_configuration
from .disks import Examiner, Looked
from .disks import examine as look_at_disks
from .findings import Finding
from .log import last_complaints
from .status import PROGRAM, QUERY, Status
from .status import parse as parse_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from ...child import Channel
    from ...corosync import Cluster
    from ..options import Call
    from ..report import Json
    from ..sources import Source
    from .configuration import Device

    Parsed = TypeVar("Parsed", Configuration, Status)

# The parts of the time that Pacemaker's tools, then the disks, and then the journal may take.
_TOOLS_SHARE, _DISKS_SHARE, _LOG_SHARE = 0.3, 0.55, 0.1
_NEEDS_ROOT = (*OF_FILES, "not-permitted")


class Here(Record):
    """What is found.

    cluster        its name, "" if there is none
    local          what the cluster calls this node, "" if nothing tells
    fence_devices  their ids
    methods        how they make keys
    facts          what is compared with other nodes
    named          identities of the disks that the cluster's resources name
    findings       what is wrong, or could not be seen
    """

    cluster: str
    local: str
    fence_devices: tuple[str, ...]
    methods: tuple[str, ...]
    facts: Json
    named: frozenset[str]
    findings: tuple[Finding, ...]


class _Asked(Record):
    """What Pacemaker's tools say; None of what they do not. tools: whether there are any."""

    sources: Sources
    configuration: Configuration | None
    status: Status | None
    tools: bool
    unseen: tuple[Finding, ...]


def look(call: Call, channel: Channel, examiner: Callable[[float], Examiner] = Examiner) -> Here:
    """Raises UsageError."""
    seconds, conf = call.seconds("timeout"), call.values["corosync_conf"]
    here, asked, found = examiner(seconds), _pacemaker(call), []
    configuration, status = asked.configuration or Configuration(), asked.status or Status()
    try:
        cluster = _named(here.cluster(conf), configuration, here)
    except OSError as error:
        cluster = corosync.Cluster()
        found.append(Finding(Notice("corosync-conf-unreadable", {"path": conf, "answer": what_failed(error)})))
    local = corosync.local_node(cluster, *here.names())
    who = local or here.names()[0]
    if cluster.missing and not asked.configuration and not call.words:
        found.append(Finding(Notice("cluster-missing", {"path": conf}), unseen=True))
    elif asked.tools or cluster.nodes:
        found += asked.unseen
    looked, failed = _looked(call, channel, asked, examiner)
    found += failed
    said = [disk for it in looked for disk in it.said]
    own = frozenset(disk["identity"] for it in looked for disk in it.disks if disk["identity"])
    identities = _identities(configuration, here)
    if asked.configuration and own and not call.words:
        found += _left_over(own, here, who)
    nodes = rules.nodes_to_fence(cluster, configuration)
    if asked.configuration:
        found += devices.judge(configuration, nodes)
    found += rules.of_names(cluster, conf, configuration, status)
    found += rules.of_members(status, said, local)
    log = last_complaints(seconds * _LOG_SHARE) if rules.has_failed(status) else []
    found += rules.of_history(status, [it.name for it in configuration.devices], log)
    found += rules.of_resources(configuration, own, identities)
    found += rules.of_machine(machine.look(), said, who)
    found += [Finding(it.notice, it.evidence, who, it.unseen) for each in looked for it in each.findings]
    methods = tuple(it.given.parameters.get("key_value", "") for it in configuration.devices)
    facts = _facts(who, call.values["cluster_name"], cluster, configuration, looked)
    return Here(
        cluster.name,
        local,
        tuple(it.name for it in configuration.devices),
        methods,
        facts,
        frozenset(identities.values()),
        tuple(_for_user(found)),
    )


def _pacemaker(call: Call) -> _Asked:
    """All at once."""
    seconds = call.seconds("timeout") * _TOOLS_SHARE
    works: list[Callable[[], object]] = [
        lambda: find(call, call.words),
        lambda: ask("cibadmin", ("--query",), seconds),
        lambda: ask(PROGRAM, QUERY, seconds, "status-unread"),
    ]
    sources, cib, status = on_each(lambda work: work(), works)
    if isinstance(sources, FenceError):
        raise sources
    assert isinstance(sources, Sources)
    unseen: list[Finding] = []

    def parsed(said: object, parse: Callable[[bytes], Parsed], missing: Notice | None) -> Parsed | None:
        try:
            if isinstance(said, FenceError):
                raise said
            if isinstance(said, bytes):
                return parse(said)
            unseen.extend([Finding(missing, unseen=True)] if missing else [])
        except FenceError as error:
            unseen.append(Finding(error.notice(), unseen=True))
        return None

    # Disks that are named can be looked at where there is no Pacemaker.
    no_cib, no_status = _no_program("cib-unread", "cibadmin"), _no_program("status-unread", PROGRAM)
    configuration = parsed(cib, parse_configuration, None if call.words else no_cib)
    found = parsed(status, parse_status, no_status if cib is not None else None)
    if sources.everything and any(it.disks() for it in _chosen(call, configuration)):
        unread = Notice("cib-unread", {"program": "cibadmin", "answer": "no answer"})
        unseen += [Finding(it, unseen=True) for it in sources.unasked or (unread,)]
    if found and found.history_unread:
        unseen.append(Finding(Notice("history-unread", {"answer": found.history_unread}), unseen=True))
    return _Asked(sources, configuration, found, cib is not None, tuple(unseen))


def _no_program(code: str, program: str) -> Notice:
    return Notice(code, {"program": program, "answer": os.strerror(ENOENT)})


def _chosen(call: Call, found: Configuration | None) -> list[Device]:
    """The fence devices that are meant."""
    return [it for it in found.devices if call.values["fence_device"] in ("", it.name)] if found else []


def _named(cluster: Cluster, found: Configuration, here: Examiner) -> Cluster:
    """With the names that corosync.conf lacks, as far as they are known: this machine's own, and other_nodes."""
    own_name = corosync.own_name(cluster, *here.names())
    others = rules.other_nodes(found)
    return corosync.Cluster(cluster.name, cluster.nodes, cluster.missing, others, own_name=own_name)


def _looked(
    call: Call, channel: Channel, asked: _Asked, examiner: Callable[[float], Examiner]
) -> tuple[list[Looked], list[Finding]]:
    """The disks of each fence device, all at once; none where nobody says which disks are meant. And why some could not
    be looked at.
    """
    sources = () if asked.sources.everything else asked.sources.sources
    given = {it.name: it.given.parameters for it in (asked.configuration or Configuration()).devices}
    seconds = call.seconds("timeout") * _DISKS_SHARE

    def look(source: Source) -> Looked:
        values = {**given.get(source.fence_device, {}), **source.values}
        try:
            return look_at_disks(source, values, ReadingOnly(channel), seconds, examiner)
        except FenceError as error:
            return Looked((), (), (), tuple(Finding(it) for it in error.notices()))

    outcomes = on_each(look, list(sources))
    failed = [Finding(error, unseen=True) for it in outcomes if isinstance(it, FenceError) for error in it.notices()]
    return [it for it in outcomes if isinstance(it, Looked)], failed


def _left_over(own: frozenset[str], here: Examiner, node: str) -> Iterator[Finding]:
    """Disks on which this node has registered, and which no fence device names."""
    if others := tuple(disk for disk in here.registered_disks() if disk not in own):
        yield Finding(Notice("disks-not-named", {"disks": others}), (f"{here.state_folder}: state files",), node)


def _identities(found: Configuration, here: Examiner) -> dict[str, str]:
    """The identity of each disk that a resource names, by that name."""
    identities = {}
    for word in {word for words in rules.words(found).values() for word in words}:
        try:
            identities[word] = here.find(word).identity
        except DeviceRefused:
            continue
    return {word: identity for word, identity in identities.items() if identity}


def _facts(node: str, given: str, cluster: Cluster, found: Configuration, looked: list[Looked]) -> Json:
    names = [given, *(it.given.parameters.get("cluster_name", "") for it in found.devices), cluster.name]
    return {
        "node": node,
        "program": f"{TOOL} {__version__}",
        "cluster": next(filter(None, names), ""),
        "nodelist": [it.name or next(iter(it.addresses), "") for it in cluster.nodes],
        "boot": read_attribute("/proc/sys/kernel/random/boot_id").strip(),
        "machine": _machine(read_attribute("/etc/machine-id").strip()),
        "hosts": sorted({host for it in looked for host in it.hosts}),
        "disks": [disk for it in looked for disk in it.disks],
    }


def _machine(identifier: str) -> str:
    """The machine-id is not to be shown (machine-id(5)); what is made from it tells two machines apart as well."""
    from hashlib import sha256

    return sha256(f"{TOOL} {identifier}".encode()).hexdigest()[:16] if identifier else ""


def _for_user(found: list[Finding]) -> Iterator[Finding]:
    """What an ordinary user cannot see is said once."""
    if os.geteuid() == 0:
        yield from found
        return
    yield Finding(Notice("not-root", {}), unseen=True)
    yield from (it for it in found if it.notice.code not in _NEEDS_ROOT)
