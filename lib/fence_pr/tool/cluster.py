"""The cluster's fence devices of this agent, as Pacemaker's own tool tells its configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from xml.etree import ElementTree

from .. import keys, option_table
from ..errors import FenceError
from ..option_table import AGENT
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

_PROGRAM = "cibadmin"
_QUERY = ("--query", "--scope", "resources")
# Where it is, whatever the PATH of an ordinary user says.
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_HOST_MAP = "pcmk_host_map"
_SHOWN_CHARACTERS = 300


class FenceDevice(Record):
    """A fence device. parameters: its options by the agent's names for them."""

    name: str
    parameters: Mapping[str, str]

    def disks(self) -> tuple[str, ...]:
        """As the configuration names them."""
        return tuple(self.parameters.get("devices", "").replace(",", " ").split())


def fence_devices(seconds: float) -> tuple[FenceDevice, ...] | None:
    """All of them; None where there is no Pacemaker. Waits for at most so long. Raises FenceError.

    A rule in the configuration, by which an option holds at times or on some nodes only, is not looked at.
    """
    told = ask(_PROGRAM, _QUERY, seconds)
    if told is None:
        return None
    try:
        return tuple(parse(told))
    except ElementTree.ParseError as error:
        raise FenceError("cib-unread", program=_PROGRAM, answer=str(error)) from error


def ask(name: str, arguments: Sequence[str], seconds: float, code: str = "cib-unread") -> bytes | None:
    """What a tool of Pacemaker's prints; None where there is no such program. Waits for at most so long.

    code: of the FenceError that is raised if it says nothing, with the fields program and answer
    """
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_FOLDERS}")
    if not program:
        return None
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run([program, *arguments], check=False, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=seconds)  # fmt: skip
    except OSError as error:
        raise FenceError(code, program=program, answer=error.strerror) from error
    except subprocess.TimeoutExpired as error:
        raise FenceError(code, program=program, answer="no answer") from error
    said = done.stderr.decode("utf-8", "replace").strip()[:_SHOWN_CHARACTERS]
    if done.returncode:
        raise FenceError(code, program=program, answer=said or f"it ended with {done.returncode}")
    return done.stdout


def parse(resources: bytes) -> Iterator[FenceDevice]:
    """The fence devices in the configuration's part on resources. Raises ParseError."""
    tree = with_references(ElementTree.fromstring(resources))
    templates = {it.get("id", ""): it for it in tree.iter("template")}
    for primitive in tree.iter("primitive"):
        template = templates.get(primitive.get("template", ""))
        elements = [it for it in (primitive, template) if it is not None]
        if any(it.get("type") == AGENT and it.get("class") == "stonith" for it in elements):
            yield FenceDevice(primitive.get("id", ""), _parameters(elements))


def with_references(tree: Element) -> Element:
    """The same tree, in which everything that refers to something else (id-ref) has what stands there."""
    known = {it.get("id", ""): it for it in tree.iter()}
    for it in list(tree.iter()):
        found = known.get(it.get("id-ref", "")) if it.get("id-ref") else None
        if found is not None and found.tag == it.tag:
            it.attrib.update({**found.attrib, **it.attrib})
            it[:] = list(found)
    return tree


def _parameters(elements: list[Element]) -> dict[str, str]:
    """What is set first holds."""
    names = {name: option.name for option in option_table.OPTIONS for name in option.names()}
    found: dict[str, str] = {}
    for element in elements:
        for pair in element.iterfind("instance_attributes/nvpair"):
            name = pair.get("name", "").replace("-", "_")
            found.setdefault(names.get(name, name), pair.get("value", ""))
    if not found.get("node_keys") and (given := _keys_of_map(found.get(_HOST_MAP, ""))):
        found["node_keys"] = given
    return found


def _keys_of_map(text: str) -> str:
    """The node_keys that are in a pcmk_host_map, "" unless it maps every node to a key."""
    pairs = [pair.replace("=", ":").rpartition(":")[::2] for pair in text.replace(";", " ").replace(",", " ").split()]
    given = [f"{node}:{plug}" for node, plug in pairs if node and keys.is_number(plug)]
    return ";".join(given) if len(given) == len(pairs) else ""
