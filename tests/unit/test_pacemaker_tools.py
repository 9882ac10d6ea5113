"""Pacemaker's tools, as 'disks' calls them and reads what they say."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import FenceError
from fence_pr.tool import cib, pacemaker
from fence_pr.tool.pacemaker import Pacemaker, Plan

if TYPE_CHECKING:
    from pathlib import Path

# As 2.1.5 and 3.0.1 write it.
SIMULATED = """\
<pacemaker-result api-version="2.25" request="crm_simulate">
  <cluster_status><nodes>
    <node name="n1" id="1" online="true" unclean="false" pending="false" type="member"/>
    <node name="n2" id="2" online="false" unclean="true" pending="false" type="member"/>
    <node name="far" id="far" online="true" unclean="false" pending="false" type="remote"/>
  </nodes></cluster_status>
  <actions><node_action task="Fence (on)" node="n1" reason="Device parameters changed"/></actions>
  <transition>
    <rsc_action resource="shared" op="cancel" node="n1" interval="60000"/>
    <pseudo_action task="app-clone_stop_0"/>
    <rsc_action resource="app" op="stop" node="n1"/>
    <fencing_action target="n1" op="on"/>
    <rsc_action resource="app" op="monitor" node="n1" interval="5000"/>
  </transition>
  <revised_cluster_status><nodes><node name="n2" online="false" unclean="false" type="member"/></nodes>
  </revised_cluster_status>
</pacemaker-result>
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tools that say what they were asked."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "{name} $@" >> {folder}/asked\n{script}\n')
    path.chmod(0o755)


def asked(folder: Path) -> str:
    return (folder / "asked").read_text()


def cluster(seconds: float = 5.0) -> Pacemaker:
    return Pacemaker(time.monotonic() + seconds)


def test_what_the_cluster_would_do() -> None:
    plan = pacemaker.parse_plan(cib.tree_of(SIMULATED))
    assert plan == Plan((("fence (on)", "n1"), ("stop", "app")), {"n1": True, "n2": False}, ("n2",))


def test_each_tool_is_asked_in_its_words(tools: Path) -> None:
    program(tools, "cibadmin", "echo '<cib/>'")
    program(
        tools,
        "crm_simulate",
        f"cat >> /dev/null; sed -n 1p \"${{2#--xml-file=}}\" >> {tools}/asked; cat <<'EOF'\n{SIMULATED}EOF",
    )
    digests = '<digest type="all" hash="a1"/><digest type="nonprivate" hash="b2"/>'
    program(tools, "crm_resource", f"cat \"$CIB_file\" >> {tools}/asked; echo '<r>{digests}</r>'")
    program(tools, "attrd_updater", "")
    it = cluster()
    assert it.cib() == "<cib/>\n"
    assert it.plan("<cib>ä</cib>").lost == ("n2",)
    assert it.digests("<cib>2</cib>", "shared", "n1") == {"all": "a1", "nonprivate": "b2"}
    it.set_attribute("n1", "#digests-all", "x:y:z,")
    said = asked(tools)
    for line in (
        "cibadmin --query\n",
        "crm_simulate --simulate --xml-file=",
        "<cib>ä</cib>",
        "crm_resource --digests --resource=shared --node=n1 --output-as=xml\n<cib>2</cib>",
        "attrd_updater --name=#digests-all --node=n1 --update=x:y:z,\n",
    ):
        assert line in said
    monkey = "crm_resource --refresh --resource=shared\n"
    program(tools, "crm_resource", "")
    it.refresh("shared")
    assert monkey in asked(tools)


@pytest.mark.parametrize(("code", "done"), [(0, True), (103, False)])
def test_a_change_is_a_patch_from_one_version_to_the_next(tools: Path, code: int, done: bool) -> None:
    program(tools, "crm_diff", 'cat "${1#--original=}" "${2#--new=}"; exit 1')
    program(tools, "cibadmin", f'cat "${{2#--xml-file=}}" >> {tools}/asked; exit {code}')
    assert cluster().replace("old", "new") is done
    assert "cibadmin --patch --xml-file=" in asked(tools)
    assert asked(tools).endswith("oldnew")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Could not connect' >&2; exit 102", "cibadmin: Could not connect;"),
        ("exit 65", "cibadmin: it ended with 65;"),
        ("exec sleep 60", "cibadmin: no answer;"),
    ],
)
def test_a_tool_that_fails_is_told_of(tools: Path, script: str, said: str) -> None:
    program(tools, "cibadmin", script)
    program(tools, "crm_diff", "")
    for ask in (lambda: cluster(0.3).cib(), lambda: cluster(0.3).replace("a", "b")):
        with pytest.raises(FenceError, match=said) as failure:
            ask()
        assert failure.value.code == "cluster-tool-failed"


def test_so_is_one_that_says_nothing_sensible_or_is_not_there(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tools, "crm_simulate", "echo '<x>'")
    with pytest.raises(FenceError, match="crm_simulate: no element found"):
        cluster().plan("<cib/>")
    monkeypatch.setattr(pacemaker, "_FOLDERS", str(tools))
    monkeypatch.setenv("PATH", str(tools))
    with pytest.raises(FenceError, match="attrd_updater: No such file"):
        cluster().set_attribute("n1", "x", "y")


def test_a_machine_without_room_for_files_is_told(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a tool that fails, what was begun is then taken back."""
    program(tools, "crm_simulate", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tools / "no such"))
    with pytest.raises(FenceError, match="No such file") as failure:
        cluster().plan("<cib/>")
    assert failure.value.code == "cluster-tool-failed"


def test_a_cib_that_is_none_is_told(tools: Path) -> None:
    program(tools, "cibadmin", "echo '<cib'")
    with pytest.raises(FenceError) as failure:
        cluster().cib()
    assert failure.value.code == "cluster-tool-failed"


def test_digests_that_are_not_told_are_missed(tools: Path) -> None:
    program(tools, "crm_resource", "echo '<pacemaker-result/>'")
    with pytest.raises(FenceError) as failure:
        cluster().digests("<cib/>", "shared", "n1")
    assert failure.value.code == "cluster-tool-failed"
