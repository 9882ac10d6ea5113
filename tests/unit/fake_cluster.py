"""A Pacemaker that goes by digests as the real one does, for the tool's 'disks'.

Two daemons keep digests: what nodes were unfenced with (set_attribute), and what the fence device was started with (its
history, until it is refreshed). A node that was unfenced with other disks than are configured is unfenced again, and
all that runs there is restarted; so it is if the fence device that runs there was started with others.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from fence_pr.tool import cib
from fence_pr.tool.pacemaker import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from xml.etree.ElementTree import Element

NAME, AGENT = "shared", "fence_pr_ioctl"
NODES = "n1", "n2"
_STATE = """
    <node_state id="{node}" uname="{node}"><lrm id="{node}"><lrm_resources>
      <lrm_resource id="shared" class="stonith" type="fence_pr_ioctl">{history}</lrm_resource>
      <lrm_resource id="app" class="ocf" provider="pacemaker" type="Dummy">
        <lrm_rsc_op id="app_last_0" operation="start" interval="0" rc-code="0" call-id="5" last-rc-change="1"/>
      </lrm_resource>
    </lrm_resources></lrm><transient_attributes id="{node}"><instance_attributes id="status-{node}">
      <nvpair id="{node}-1" name="#digests-all" value="other:fence_x:1,{digest}"/>
      <nvpair id="{node}-2" name="#digests-secure" value="{digest}"/>
      <nvpair id="{node}-3" name="#feature-set" value="3.16.1"/>
    </instance_attributes></transient_attributes></node_state>"""
CIB = """\
<cib admin_epoch="0" epoch="5" num_updates="40"><configuration>
  <!-- ours -->
  <crm_config><cluster_property_set id="options"><nvpair id="o1" name="stonith-enabled" value="true"/>
  </cluster_property_set></crm_config>
  <resources>
    <primitive id="shared" class="stonith" type="fence_pr_ioctl">
      <instance_attributes id="i"><nvpair id="i1" name="devices" value="{disks}"/></instance_attributes>
      <meta_attributes id="m"><nvpair id="m1" name="provides" value="unfencing"/></meta_attributes>
      <operations><op id="shared-monitor" name="monitor" interval="60s" timeout="60s"/></operations>
    </primitive>
    <primitive id="app" class="ocf" provider="pacemaker" type="Dummy"/>
  </resources><constraints/></configuration><status>{states}</status></cib>
"""
_PROBE = '<lrm_rsc_op id="shared_last_0" operation="monitor" interval="0" rc-code="7" op-digest="{digest}"/>'
_START = '<lrm_rsc_op id="shared_last_0" operation="start" interval="0" rc-code="0" op-digest="{digest}"/>'
_MONITOR = '<lrm_rsc_op id="shared_monitor" operation="monitor" interval="60000" rc-code="0" op-digest="{digest}"/>'


def digest(disks: Sequence[str]) -> str:
    """Of the parameters, as Pacemaker makes it in its own way."""
    return hashlib.md5(",".join(disks).encode(), usedforsecurity=False).hexdigest()


def text(disks: Sequence[str]) -> str:
    """The CIB of a cluster whose fence device runs on the first node."""
    now = digest(disks)
    ran = {NODES[0]: _START + _MONITOR, NODES[1]: _PROBE}
    states = "".join(
        _STATE.format(node=it, digest=f"{NAME}:{AGENT}:{now},", history=ran[it].format(digest=now)) for it in NODES
    )
    return CIB.format(disks=",".join(disks), states=states)


class FakeCluster:
    """In place of `Pacemaker`.

    asked     every change, in order
    restarts  what the cluster has done that it should not
    before    what somebody else does just before a change of the CIB, once
    starts    whether the fence device is started when it can be
    """

    def __init__(self, disks: Sequence[str]) -> None:
        self.text = text(disks)
        self.asked: list[str] = []
        self.restarts: list[tuple[str, str]] = []
        self.before: list[Callable[[], None]] = []
        self.online = dict.fromkeys(NODES, True)
        self.lost: tuple[str, ...] = ()
        self.busy: tuple[tuple[str, str], ...] = ()
        self.starts, self.forgets = True, True

    def cib(self) -> str:
        """What the cluster has come to."""
        self._act()
        return self.text

    def replace(self, old: str, new: str) -> bool:
        """As a patch from one version to the next."""
        if self.before:
            self.before.pop(0)()
        if _version(old) != _version(self.text):
            return False
        assert _version(new) > _version(old)
        self.text = new
        self.asked.append("hold" if is_held(new) else ",".join(cib.disks(new, NAME)))
        self._act()
        return True

    def plan(self, text: str) -> Plan:
        """What it would do."""
        now, actions = digest(cib.disks(text, NAME)), list(self.busy)
        started = {node for node, ops in _history(text).items() for it in ops if it.get("operation") == "start"}
        for (node, name), value in cib.digests(text).items():
            if name == "#digests-all" and f"{NAME}:{AGENT}:{now}," not in value:
                actions += [("fence (on)", node), ("stop", "app"), ("start", "app")]
        for node, ops in _history(text).items():
            if any(it.get("operation") == "start" and it.get("op-digest") != now for it in ops):
                actions += [("fence (on)", node), ("stop", NAME), ("start", NAME), ("stop", "app"), ("start", "app")]
        if not started and not is_held(text) and self.starts:
            actions.append(("start", NAME))
        return Plan(tuple(sorted(actions)), self.online, self.lost)

    def digests(self, text: str, name: str, node: str) -> dict[str, str]:
        """As crm_resource tells them."""
        assert (name, node in NODES) == (NAME, True)
        now = digest(cib.disks(text, NAME))
        return {"all": now, "nonprivate": now}

    def refresh(self, name: str) -> None:
        """The controller forgets, and looks again."""
        self.asked.append(f"refresh {name}")
        if self.forgets:
            self._history(dict.fromkeys(NODES, _PROBE))

    def set_attribute(self, node: str, name: str, value: str) -> None:
        """The daemon writes what it knows."""
        self.asked.append(f"{node} {name} {value.count(NAME)}")
        self.text = cib.with_attributes(self.text, {(node, name): value})
        self._touch()
        self._act()

    def status_changes(self) -> None:
        """Somebody writes status."""
        self._touch()

    def somebody_configures(self) -> None:
        """Somebody else has a wish."""
        tree = cib.tree_of(self.text)
        next(it for it in tree.iter("nvpair") if it.get("id") == "o1").set("value", "false")
        self.text = ElementTree.tostring(tree, encoding="unicode")
        self._touch()

    def _touch(self) -> None:
        tree = cib.tree_of(self.text)
        tree.set("num_updates", str(int(tree.get("num_updates", "0")) + 1))
        self.text = ElementTree.tostring(tree, encoding="unicode")

    def _act(self) -> None:
        planned = [it for it in self.plan(self.text).actions if it not in self.busy]
        if planned == [("start", NAME)]:
            self._history({NODES[0]: _START + _MONITOR, NODES[1]: _PROBE})
        else:
            self.restarts += planned

    def _history(self, ran: dict[str, str]) -> None:
        now = digest(cib.disks(self.text, NAME))
        tree = cib.tree_of(self.text)
        for state in tree.iterfind("status/node_state"):
            for resource in state.iter("lrm_resource"):
                if resource.get("id") == NAME:
                    made = cib.tree_of(f"<x>{ran[state.get('uname', '')].format(digest=now)}</x>")
                    resource[:] = list(made)
        self.text = ElementTree.tostring(tree, encoding="unicode")
        self._touch()


def _version(text: str) -> tuple[int, int]:
    tree = cib.tree_of(text)
    return int(tree.get("epoch", "")), int(tree.get("num_updates", ""))


def _history(text: str) -> dict[str, list[Element]]:
    return cib._operations(text, NAME)


def is_held(text: str) -> bool:
    """Whether the fence device is in maintenance mode."""
    return any(it.get("name") == "maintenance" for it in cib.tree_of(text).iter("nvpair"))


def soon() -> float:
    """When waiting ends in a test."""
    return time.monotonic() + 0.5
