"""The installed agent, and Debian's Pacemaker tools that use it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.fencing.agent import key
from tests.lab.plugin import newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.cluster import Cluster

pytestmark = newest

AGENT = "/usr/sbin/fence_pr_ioctl"
LIBRARY = "/usr/lib/fence_pr_ioctl"
MAKE = ["make", "-C", "/project", "-s"]
STONITH_ADMIN = ["stonith_admin", "--agent", "fence_pr_ioctl"]


def described(tree: ElementTree.Element, path: str) -> list[tuple[str, ...]]:
    """Each element with what is in it; Pacemaker itself supplies the action, so it makes it optional."""
    for element in tree.findall(path):
        element.attrib.pop("required", None)
    return [
        tuple(f"{node.tag} {sorted(node.attrib.items())} {(node.text or '').strip()}" for node in element.iter())
        for element in tree.findall(path)
    ]


@pytest.fixture
def installed(lab: Cluster) -> Iterator[Cluster]:
    """`make install` in the guest, whose root folder is thrown away with it."""
    lab.guest.run([*MAKE, "install"], check=True)
    yield lab
    lab.guest.run([*MAKE, "uninstall"], check=True)


def test_what_make_installs_and_uninstalls(lab: Cluster) -> None:
    lab.guest.run([*MAKE, "install"], check=True)
    found = lab.guest.run(["find", AGENT, LIBRARY, "-type", "f", "-printf", "%m %p\n"], check=True).stdout.splitlines()
    assert f"755 {AGENT}" in found
    compiled = [line for line in found if line.endswith(".pyc")]
    assert len(compiled) == sum(line.endswith(".py") for line in found) > 15
    assert {line.split()[0] for line in found if line != f"755 {AGENT}"} == {"644"}
    lab.guest.run([*MAKE, "uninstall"], check=True)
    assert lab.guest.run(["ls", AGENT, LIBRARY]).returncode == 2


def test_another_root_and_prefix(lab: Cluster) -> None:
    places = ["DESTDIR=/run/image", "PREFIX=/usr/local"]
    lab.guest.run([*MAKE, "install", *places], check=True)
    agent = "/run/image/usr/local/sbin/fence_pr_ioctl"
    assert lab.guest.run([agent, "-V"], check=True).stdout.startswith("fence_pr_ioctl ")
    lab.guest.run([*MAKE, "uninstall", *places], check=True)
    assert lab.guest.run(["find", "/run/image", "-type", "f"], check=True).stdout == ""


def test_the_installed_agent_fences(installed: Cluster) -> None:
    for node in (installed.n1, installed.n2):
        node.run([AGENT, "-o", "on", "-n", node.name, "-d", node.by_id("a")], check=True)
    installed.n1.run([AGENT, "-o", "off", "-n", "n2", "-d", installed.n1.by_id("a")], check=True)
    assert installed.reservation("a").keys == {"n1": key("n1")}


@pytest.mark.promise(10)
def test_stonith_admin_reads_the_metadata(installed: Cluster) -> None:
    golden = installed.guest.run(["cat", "/project/metadata/fence_pr_ioctl.xml"], check=True).stdout
    assert installed.guest.run([AGENT, "-o", "metadata"], check=True).stdout == golden
    shown = installed.guest.run([*STONITH_ADMIN, "--metadata"], check=True).stdout
    ours, theirs = ElementTree.fromstring(golden), ElementTree.fromstring(shown)
    assert described(theirs, "parameters/parameter") == described(ours, "parameters/parameter")
    # Pacemaker adds what every resource has: start, stop.
    assert set(described(theirs, "actions/action")) >= set(described(ours, "actions/action"))


def test_stonith_admin_lists_the_agent_and_not_the_guard(installed: Cluster) -> None:
    """It takes every program whose name begins with fence_ for an agent."""
    listed = installed.guest.run(["stonith_admin", "--list-installed"], check=True).stdout.split()
    assert "fence_pr_ioctl" in listed
    assert not [name for name in listed if "guard" in name]


@pytest.mark.promise(5)
def test_stonith_admin_validates_a_configuration(installed: Cluster) -> None:
    def validate(devices: str) -> tuple[int, str]:
        done = installed.n1.run([*STONITH_ADMIN, "--validate", "--option", f"devices={devices}"])
        return done.returncode, done.stdout + done.stderr

    good = ",".join(installed.n1.by_id(lun) for lun in ("a", "b"))
    code, text = validate(good)
    assert code == 0, text
    code, text = validate("/dev/nowhere")
    assert code != 0
    assert "/dev/nowhere: no such device" in text
    code, text = validate(installed.n1.by_id("nopr"))
    assert code != 0
    assert "the target has no persistent reservations" in text
