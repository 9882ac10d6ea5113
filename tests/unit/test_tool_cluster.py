"""The cluster's fence devices, as cibadmin tells them; and every disk of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fence_pr.errors import DeviceRefused, FenceError
from fence_pr.storage import device
from fence_pr.tool import cluster, sources
from fence_pr.tool.cluster import FenceDevice, fence_devices
from tests.unit import tooling

if TYPE_CHECKING:
    from pathlib import Path

RESOURCES = """\
<resources>
  <template id="shared" class="stonith" type="fence_pr_ioctl">
    <instance_attributes id="t"><nvpair id="t1" name="key-value" value="hash"/></instance_attributes>
  </template>
  <primitive id="disks" class="stonith" type="fence_pr_ioctl">
    <instance_attributes id="i">
      <nvpair id="i1" name="devices" value="/dev/a,/dev/b /dev/c"/>
      <nvpair id="i2" name="pcmk_host_map" value="n1:0x1;n2:0x2"/>
    </instance_attributes>
    <operations><op id="o" name="monitor" interval="60s"/></operations>
  </primitive>
  <group id="g"><primitive id="more" template="shared">
    <instance_attributes id="m">
      <nvpair id="m1" name="devices" value="/dev/d"/>
      <nvpair id="m2" name="pcmk_host_map" value="n1:one;n2:0x2"/>
    </instance_attributes>
  </primitive></group>
  <primitive id="other" class="stonith" type="fence_scsi"/>
  <primitive id="app" class="ocf" provider="heartbeat" type="fence_pr_ioctl"/>
</resources>
"""


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A cibadmin that does this."""
    path = folder / "cibadmin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_fence_devices_of_this_agent_and_their_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, f"echo \"$@\" > {tmp_path}/asked\ncat <<'EOF'\n{RESOURCES}EOF")
    found = fence_devices(5.0)
    assert found
    assert [it.name for it in found] == ["disks", "more"]
    assert found[0].disks() == ("/dev/a", "/dev/b", "/dev/c")
    assert found[0].parameters["node_keys"] == "n1:0x1;n2:0x2"
    assert (found[1].parameters["key_value"], found[1].parameters.get("node_keys")) == ("hash", None)
    assert (tmp_path / "asked").read_text() == "--query --scope resources\n"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'Could not connect' >&2; exit 107", "cibadmin: Could not connect;"),
        ("exit 1", "cibadmin: it ended with 1;"),
        ("echo '<resources>'", "no element found"),
        ("exec sleep 60", "cibadmin: no answer;"),
    ],
)
def test_what_keeps_it_from_being_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    program(tmp_path, monkeypatch, script)
    with pytest.raises(FenceError, match=said) as failure:
        fence_devices(0.5)
    assert failure.value.code == "cib-unread"


def test_where_no_pacemaker_is_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cluster, "_FOLDERS", str(tmp_path))
    assert fence_devices(5.0) is None


def test_a_cluster_that_is_down_is_told_of_only_where_one_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, monkeypatch, "exit 107")
    monkeypatch.setattr(sources, "reservable", lambda _: ())
    conf = tmp_path / "corosync.conf"
    assert tooling.reported(capfd, "show", f"--corosync-conf={conf}")["exit_status"] == 0
    conf.write_text("totem {\n cluster_name: lab\n}\n")
    report = tooling.reported(capfd, "show", f"--corosync-conf={conf}")
    assert (report["exit_status"], [it["code"] for it in report["unseen"]]) == (3, ["cib-unread"])


def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "")
    (tmp_path / "cibadmin").write_text("#!/no/such/interpreter\n")
    with pytest.raises(FenceError, match="No such file"):
        fence_devices(5.0)


def test_every_disk_that_can_be_reserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dm-0", "loop0", "sda", "sdb"):
        (tmp_path / name / "dm").mkdir(parents=True)
    (tmp_path / "dm-0/dm/name").write_text("mpatha\n")

    def resolve(path: str) -> device.Device:
        if path == "/dev/loop0":
            raise DeviceRefused("driver-without-reservations", path, found="a loop device")
        return device.Device(path, path, "")

    monkeypatch.setattr(device, "resolve", resolve)
    assert sources.reservable(str(tmp_path)) == ("/dev/mapper/mpatha", "/dev/sda", "/dev/sdb")


def test_a_fence_device_without_disks_has_none() -> None:
    assert FenceDevice("x", {}).disks() == ()
