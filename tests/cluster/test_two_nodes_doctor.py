"""`pr_fence doctor` in a running cluster: faults are made one by one, and it says the right cause first."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from tests.cluster.doctor_faults import ALONE, FAULTS, WITH
from tests.cluster.doctor_making import start_guard
from tests.tool.pr_fence import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import PacemakerCluster
    from tests.cluster.doctor_faults import Fault

pytestmark = pytest.mark.slow

SHELL = "/project/tests/cluster/inside/remote_shell.py"
CIB = "/run/doctor.xml"
WORDS = {"failure": "wrong:", "unseen": "unseen:", "warning": "warning:"}
DISK = re.compile(r"/dev/(?:disk/by-id/\S*?[0-9a-f]{8,}|sd[a-z]+|nvme\d+n\d+)(?: \(/dev/[a-z0-9]+\))?")
IDENTITY = re.compile(r"\bnaa\.[0-9a-f]+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?Z?")
LIMIT_SECONDS = 8


@pytest.fixture
def watched(two: PacemakerCluster) -> Iterator[PacemakerCluster]:
    """The cluster with a guard on each node, and a remote shell."""
    shells = []
    for name in two.setup.nodes:
        start_guard(two, name)
        shells.append(two[name].start(["python3", SHELL], timeout=3600))
    try:
        yield two
    finally:
        for name in two.setup.nodes:
            two[name].run(["killall", "pr_fence_guard"])
        for shell in shells:
            shell.signal(group=True)


def examined(cluster: PacemakerCluster, command: str, *more: str, **environment: str) -> dict[str, Any]:
    """The report of a call on n1, which has the form that is shipped."""
    _, *words = command.split()
    if command == WITH:
        words.append(f"--rsh=python3 {SHELL}")
    call = ["pr_fence", *words, f"--timeout={LIMIT_SECONDS}", *more, "--json"]
    made = cluster["n1"].run(call, env=environment, cwd="/", timeout=60)
    assert made.stderr == "", made
    report: dict[str, Any] = json.loads(made.stdout)
    Draft202012Validator(SCHEMA).validate(report)
    assert report["exit_status"] == made.returncode
    return report


def first_line(report: dict[str, Any]) -> str:
    """What is said first, as it is printed but for the ends of lines, and for names that differ from case to case."""
    if not report["found"]["findings"]:
        return "nothing"
    first = report["found"]["findings"][0]
    where = ", ".join(first["nodes"])
    parts = [WORDS[first["severity"]], f"{where}:" if where else "", f"{first['disk']}:" if first["disk"] else ""]
    said = " ".join(filter(None, [*parts, first["text"]]))
    return MOMENT.sub("…", IDENTITY.sub("naa.…", DISK.sub("DISK", said)))


@contextmanager
def configured(cluster: PacemakerCluster, fault: Fault) -> Iterator[dict[str, str]]:
    """While it lasts, Pacemaker's tools that get this environment tell the fault's configuration."""
    if not fault.change:
        yield {}
        return
    tree = ElementTree.fromstring(cluster["n1"].run(["cibadmin", "--query"], check=True).stdout)
    fault.change(tree, cluster)
    told = ElementTree.tostring(tree, encoding="unicode")
    cluster["n1"].run(["sh", "-c", f"cat > {CIB}"], stdin=told, check=True)
    yield {"CIB_file": CIB}


@contextmanager
def unmanaged(cluster: PacemakerCluster) -> Iterator[None]:
    """While it lasts the cluster asks no resource how it is: a fault that is there for a second has no consequence."""
    change = ["crm_attribute", "--name", "maintenance-mode"]
    cluster["n1"].run([*change, "--update", "true"], check=True)
    try:
        yield
    finally:
        cluster["n1"].run([*change, "--delete"], check=True)


def test_the_doctor_says_of_a_healthy_cluster_that_nothing_is_wrong(watched: PacemakerCluster) -> None:
    for command in (ALONE, WITH):
        report = examined(watched, command)
        assert (report["exit_status"], report["found"]["findings"]) == (0, [])
    assert [it["node"] for it in report["found"]["nodes"]] == ["n1", "n2"]
    done = watched["n1"].run(["pr_fence", "doctor"], cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Nothing is wrong. Looked at: n1; fence devices: fencing; 3 disks.\n"


@pytest.mark.promise(5)
def test_the_doctor_says_of_each_fault_the_cause_first(watched: PacemakerCluster) -> None:
    before = [watched.reservation(disk).keys for disk in watched.setup.disks]
    said = {}
    with unmanaged(watched):
        for fault in FAULTS:
            began = time.monotonic()
            with fault.make(watched), configured(watched, fault) as environment:
                said[fault.what] = first_line(examined(watched, fault.command, **environment))
            print(f"{time.monotonic() - began:.1f} s: {fault.what}\n    {said[fault.what]}")
    assert said == {fault.what: fault.line for fault in FAULTS}
    assert [watched.reservation(disk).keys for disk in watched.setup.disks] == before
    # On a busy machine Pacemaker's tools, or n2, may not answer in time right after all that.
    watched.until(lambda: examined(watched, WITH)["exit_status"] == 0, "nothing is wrong any more")


@pytest.mark.promise(6)
def test_the_doctor_is_not_hung_by_another_node_that_hangs_or_says_nonsense(watched: PacemakerCluster) -> None:
    for shell, code in (("sh -c 'sleep 600 & wait' --", "node-unasked"), ("echo {", "node-unintelligible")):
        began = time.monotonic()
        report = examined(watched, "pr_fence doctor", "--with=n2", f"--rsh={shell}")
        assert time.monotonic() - began < LIMIT_SECONDS + 4
        assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, [code])
    assert watched["n1"].run(["pidof", "sleep"]).stdout == ""


def test_the_doctor_tells_an_ordinary_user_what_it_cannot_see(watched: PacemakerCluster) -> None:
    user = ["setpriv", "--reuid=65534", "--clear-groups", "pr_fence", "doctor", "--json"]
    report = json.loads(watched["n1"].run(user, cwd="/").stdout)
    codes = [it["code"] for it in report["unseen"]]
    assert (report["exit_status"], report["problems"], report["warnings"]) == (3, [], [])
    assert codes == ["not-root", "cib-unread", "status-unread"]
