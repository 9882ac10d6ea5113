"""Texts from people, the cluster and the kernel: any bytes go in, and what comes out is judged by a second reading.

Each function takes one input and raises AssertionError, or whatever the parser let through. The second readings are
written from the formats' descriptions, in another style than the parsers.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fence_pr import corosync, keys, log, options, state_file
from fence_pr.errors import DevicesRefused, NodeUnknown, UsageError
from fence_pr.option_table import ACTIONS, OPTIONS, UNUSED_NAMES
from fence_pr.storage import device
from tests.unit.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from fence_pr.options import Options

Result = TypeVar("Result")
KNOWN = {name: option.name for option in OPTIONS for name in option.names()}
CANONICAL = {name: action.name for action in ACTIONS for name in (action.name, *action.aliases)}
MOST_MESSAGE = 10_000


def text_of(data: bytes) -> str:
    """As the agent reads any text: what is no UTF-8 is kept."""
    return data.decode("utf-8", "surrogateescape")


def refusal(error: Exception) -> None:
    """Whatever is quoted, what a person sees of a refusal is one line that steers no terminal."""
    seen = log.one_line(str(error))
    assert seen.strip(), "a refusal says something"
    assert len(seen) < MOST_MESSAGE
    assert not re.search("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029]", seen)


def accepted(read: Callable[[], Result], *refusals: type[Exception]) -> Result | None:
    """What `read` returns, None if it refuses in its own way."""
    try:
        return read()
    except refusals as error:
        refusal(error)
        return None


def stdin(data: bytes) -> None:
    """Parameters on standard input. Off only if that was said, or if no name is wrong and no action was given."""
    chosen = accepted(lambda: options.from_stdin(data), UsageError)
    if chosen is None:
        return
    said = lines_of(text_of(data))
    action = said.get("action")
    if chosen.action() not in ("help", "version"):
        assert chosen.action() == CANONICAL["off" if action is None else action.lower()]
    if action is None:
        assert said.keys() <= {*KNOWN.values(), *UNUSED_NAMES}
    assert chosen.plug() == (said.get("plug") or said.get("nodename", ""))
    assert list(chosen.devices()) == [name for name in re.split(r"[\s,]", said.get("devices", "")) if name]
    complete(chosen)


def lines_of(text: str) -> dict[str, str]:
    """name → value as the fence agents' protocol has it: the last line for a name counts."""
    said = {}
    for line in text.split("\n"):
        found = re.fullmatch(r"\s*([^=\s#][^=]*?|)\s*=\s*(.*?)\s*", line, re.DOTALL)
        if found and not line.strip().startswith("#"):
            name, value = found[1].replace("-", "_"), found[2]
            quoted = re.fullmatch('"(.*)"', value, re.DOTALL)
            said[KNOWN.get(name, name)] = quoted[1] if quoted else value
    return said


def complete(chosen: Options) -> None:
    """A call that may touch disks says on which node, on which disks, and within which time."""
    if chosen.action() in ("on", "off", "status"):
        assert chosen.plug() or chosen.text("key") or chosen.text("node")
        assert chosen.devices()
        assert chosen.flag("disable_timeout") or chosen.seconds("power_timeout") > 0
    for value in chosen.values.values():
        assert "\0" not in value


def argv(data: bytes) -> None:
    """The command line, arguments separated by NUL, as the kernel keeps them. A stray argument spoils any call."""
    arguments = [text_of(argument) for argument in data.split(b"\0")]
    chosen = accepted(lambda: options.from_argv(list(arguments)), UsageError)
    if chosen is None:
        return
    complete(chosen)
    for stray in ("--no-such-option", "-Z", "stray"):
        assert accepted(lambda stray=stray: options.from_argv([*arguments, stray]), UsageError) is None  # type: ignore[misc]


def conf(data: bytes) -> None:
    """corosync.conf: cluster and nodes are those that corosync itself would see."""
    cluster = corosync.parse(text_of(data))
    assert (cluster.name, cluster.names()) == nodes_of(data)
    assert [node.position for node in cluster.nodes] == list(range(len(cluster.nodes)))
    assert corosync.local_node(cluster, "", frozenset()) in ("", *cluster.names())
    for method in keys.METHODS:
        found = accepted(lambda method=method: keys.of_cluster(cluster, method), NodeUnknown) or {}  # type: ignore[misc]
        assert all(0 < key < 1 << 64 for key in found)


def nodes_of(data: bytes) -> tuple[str, list[str]]:
    """The cluster's name and its nodes', by the rules of corosync's exec/coroparse.c."""
    path, name = "", ""
    nodes: list[str] = []
    node: dict[str, str] = {}
    for line in (text_of(line).strip() for line in data.split(b"\n")):
        if line[:1] in ("", "#"):
            continue
        if "{" in line:
            path += "/" + re.sub(r"[ \t:]*$", "", line[: line.index("{")]).strip().replace("/", "\\")
            node = {} if path == "/nodelist/node" else node
        elif ":" in line:
            key, value = (part.strip() for part in re.split(":", line, maxsplit=1))
            name = value if (path, key) == ("/totem", "cluster_name") else name
            if path == "/nodelist/node":
                node[key] = value
        elif "}" in line:
            if path == "/nodelist/node":
                first = node.get("ring0_addr", "")
                nodes.append(
                    node.get("name")
                    or ("" if re.match(r"[0-9]+(\.[0-9]+){3}|.*:", first, re.ASCII | re.DOTALL) else first)
                )
            path = path.rpartition("/")[0]
    return name, [node for node in nodes if node]


def key(data: bytes) -> None:
    """Which key is meant: plug, option key, cluster name and nodes, separated by NUL."""
    fields = [text_of(field) for field in data.split(b"\0")]
    plug, explicit, name, *names = (*fields, "", "", "")[: max(3, len(fields))]
    cluster = corosync.Cluster(name, tuple(corosync.Node(at, it, ()) for at, it in enumerate(names)))
    for method in keys.METHODS:
        meant = accepted(lambda method=method: keys.named(plug, explicit, cluster, method), UsageError, NodeUnknown)  # type: ignore[misc]
        if meant is None:
            continue
        assert 0 < meant.key < 1 << 64
        assert explicit or not (plug[:2] in ("0x", "0X") and plug in names), "nobody knows which is meant"
        number = explicit or (plug if plug[:2] in ("0x", "0X") else "")
        if number:
            assert meant.key == int(number, 16)
        elif not explicit and method == keys.HASH64:
            digest = hashlib.sha256(f"{name}\0{plug}".encode("utf-8", "surrogateescape")).digest()
            assert meant.key == int.from_bytes(digest[:8], "big")


REMEMBERED = re.compile(rb"key=(?:0[xX])?0*([0-9a-fA-F]{1,16})\nnode=(.*)\n", re.DOTALL)


def remembered(data: bytes) -> None:
    """A state file: exactly what was written is believed, all else is damaged."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "naa.1").write_bytes(data)
        found = accepted(lambda: state_file.load("naa.1", folder), ValueError)
        meant = REMEMBERED.fullmatch(data)
        good = meant is not None and int(meant[1], 16) != 0
        assert (found is not None) == good
        if meant and found:
            assert found == keys.Registrant(text_of(meant[2]), int(meant[1], 16))
            state_file.save("naa.2", found, folder)
            assert state_file.load("naa.2", folder) == found


class Sysfs:
    """A machine with two SCSI disks, a multipath map over the second one, and an NVMe namespace."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.machine = Machine(Path(self._folder.name))
        self.names = (
            self.machine.disk("sda", 1, "naa.1"),
            self.machine.mapped("dm-0", 3, "mpath-2", "mpatha", *self._below()),
            self.machine.namespace("nvme0n1", 4, "eui.4", "0" * 32, "nvme0"),
        )
        found = Path(self._folder.name, "sys/devices")
        self.attributes = [
            found / "sda/device/wwid",
            found / "sdb/device/wwid",
            found / "nvme0n1/block/nvme0n1/wwid",
            found / "dm-0/block/dm-0/dm/uuid",
            found / "dm-0/block/dm-0/dm/name",
            found / "nvme0n1/device/nvme0/hostid",
            found / "sda/device/type",
        ]
        self.originals = [path.read_bytes() for path in self.attributes]

    def _below(self) -> list[str]:
        self.machine.disk("sdb", 2, "naa.2")
        return ["sdb"]

    def write(self, contents: list[bytes]) -> list[bytes]:
        """Give the attributes these contents, and their usual ones to the rest."""
        now = [*contents, *self.originals[len(contents) :]]
        for path, content in zip(self.attributes, now):
            path.write_bytes(content)
        return now


_sysfs: list[Sysfs] = []


def sysfs(data: bytes) -> None:
    """Attributes of disks, separated by NUL, and a WWID as a person might give it."""
    if not _sysfs:
        _sysfs.append(Sysfs())
    wwid, *contents = data.split(b"\0", len(_sysfs[0].attributes))
    machine = _sysfs[0].machine
    now = _sysfs[0].write(contents)
    identities = sorted(content.decode("utf-8", "replace").strip() for content in now[:3])
    found = accepted(lambda: device.resolve_all(_sysfs[0].names, machine.find), DevicesRefused)
    asked = tuple(text_of(wwid).replace(",", " ").split()[:3])
    accepted(lambda: device.resolve_all(asked, machine.find), DevicesRefused)
    if found is None:
        return
    assert [disk.identity for disk in found] == identities
    assert len({*identities, ""}) == 1 + len(identities), "without an identity, or with the same, it is refused"
    for disk in found:
        assert len(disk.host_id) in (0, 16)
        assert disk.map_name == (now[4].decode("utf-8", "replace").strip() if disk.kind == device.MULTIPATH else "")
