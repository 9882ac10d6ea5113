"""Pacemaker's own tools, which 'disks' changes a running cluster with."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from xml.etree import ElementTree

from ..errors import FenceError, Notice
from ..record import Record
from .cib import DIGESTS, tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

# Where they are, whatever the PATH says.
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"
_SHOWN_CHARACTERS = 300
_LEAST_SECONDS = 0.001
# crm_diff's exit codes, and that of cibadmin for a patch that was made from another version.
_SAME_OR_NOT = (0, 1)
OLD_VERSION = 103
# What changes nothing that runs.
_LOOKS = ("monitor", "cancel")


class Plan(Record):
    """What the cluster would do about a CIB.

    actions  what it would do, but for monitoring: the operation, and the resource or node
    nodes    node → whether it is online, of those that are no remote ones
    lost     nodes that it must fence first
    """

    actions: tuple[tuple[str, str], ...]
    nodes: Mapping[str, bool]
    lost: tuple[str, ...]

    def online(self) -> frozenset[str]:
        """The nodes that are."""
        return frozenset(it for it, online in self.nodes.items() if online)


class Pacemaker:
    """The cluster that runs here. until: when nothing is waited for any more, as time.monotonic() tells it.

    Every method raises FenceError where a tool fails or does not answer.
    """

    def __init__(self, until: float) -> None:
        self._until = until

    def cib(self) -> str:
        """All that the cluster knows."""
        said = self._run("cibadmin", "--query")
        _tree("cibadmin", said)
        return said

    def replace(self, old: str, new: str) -> bool:
        """Change the cluster's CIB from old to new; False if it is another one by now, and nothing was changed."""
        with _Files(old=old, new=new) as folder:
            files = f"--original={folder}/old", f"--new={folder}/new"
            patch = self._run("crm_diff", *files, accepted=_SAME_OR_NOT)
        with _Files(patch=patch) as folder:
            done = self._start("cibadmin", "--patch", f"--xml-file={folder}/patch")
        if done.returncode not in (0, OLD_VERSION):
            raise _failed("cibadmin", done)
        return done.returncode == 0

    def plan(self, text: str) -> Plan:
        """What the cluster would do if this were its CIB."""
        with _Files(cib=text) as folder:
            said = self._run("crm_simulate", "--simulate", f"--xml-file={folder}/cib", "--output-as=xml")
        return parse_plan(_tree("crm_simulate", said))

    def digests(self, text: str, name: str, node: str) -> dict[str, str]:
        """Kind → digest of a resource's parameters on a node, by this CIB."""
        words = "--digests", f"--resource={name}", f"--node={node}", "--output-as=xml"
        with _Files(cib=text) as folder:
            said = self._run("crm_resource", *words, settings={"CIB_file": f"{folder}/cib"})
        found = {it.get("type", ""): it.get("hash", "") for it in _tree("crm_resource", said).iter("digest")}
        if not all(map(found.get, DIGESTS.values())):
            raise FenceError("cluster-tool-failed", program="crm_resource", answer=Notice("digests-missing", {}).pack())
        return found

    def refresh(self, name: str) -> None:
        """Have every node forget what it knows of a resource, and look again."""
        self._run("crm_resource", "--refresh", f"--resource={name}")

    def set_attribute(self, node: str, name: str, value: str) -> None:
        """Of a node, until it leaves the cluster; the daemon that keeps these knows it, too."""
        self._run("attrd_updater", f"--name={name}", f"--node={node}", f"--update={value}")

    def _run(
        self, program: str, *words: str, accepted: tuple[int, ...] = (0,), settings: Mapping[str, str] | None = None
    ) -> str:
        done = self._start(program, *words, settings=settings)
        if done.returncode not in accepted:
            raise _failed(program, done)
        return done.stdout

    def _start(
        self, program: str, *words: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', '')}:{_FOLDERS}", **(settings or {})}
        seconds = max(self._until - time.monotonic(), _LEAST_SECONDS)
        try:
            return subprocess.run([program, *words], check=False, env=given, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=seconds, encoding="utf-8",
                                  errors="surrogateescape")  # fmt: skip
        except OSError as error:
            raise FenceError("cluster-tool-failed", program=program, answer=error.strerror) from error
        except subprocess.TimeoutExpired as error:
            raise FenceError("cluster-tool-failed", program=program, answer="no answer") from error


def parse_plan(tree: Element) -> Plan:
    """What crm_simulate says."""
    actions = []
    for it in tree.iterfind("transition/*"):
        if it.tag == "rsc_action" and it.get("op") not in _LOOKS:
            actions.append((it.get("op", ""), it.get("resource", "")))
        elif it.tag in ("fencing_action", "node_action"):
            actions.append((f"fence ({it.get('op') or it.get('task')})", it.get("target", it.get("node", ""))))
    nodes = tree.findall("cluster_status/nodes/node")
    online = {it.get("name", ""): it.get("online") == "true" for it in nodes if it.get("type") == "member"}
    lost = tuple(it.get("name", "") for it in nodes if it.get("unclean") == "true")
    return Plan(tuple(sorted(actions)), online, lost)


def _tree(program: str, said: str) -> Element:
    try:
        return tree_of(said)
    except ElementTree.ParseError as error:
        raise FenceError("cluster-tool-failed", program=program, answer=str(error)) from error


def _failed(program: str, done: subprocess.CompletedProcess[str]) -> FenceError:
    said = " ".join(done.stderr.split())[:_SHOWN_CHARACTERS] or f"it ended with {done.returncode}"
    return FenceError("cluster-tool-failed", program=program, answer=said)


class _Files:
    """Texts as files that nobody else can read, while it lasts; gives their folder. Raises FenceError."""

    def __init__(self, **texts: str) -> None:
        self._texts = texts

    def __enter__(self) -> str:
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="pr_fence-")
            for name, text in self._texts.items():
                with open(f"{self._folder.name}/{name}", "w", encoding="utf-8", errors="surrogateescape") as file:
                    file.write(text)
        except OSError as error:
            answer = f"{tempfile.tempdir or ''}: {error.strerror}".lstrip(": ")
            raise FenceError("cluster-tool-failed", program="mkdtemp", answer=answer) from error
        return self._folder.name

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
