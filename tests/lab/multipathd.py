"""The real multipathd in a node, with the udevd that it needs: it finds the node's paths and makes maps by itself.

The paths of all nodes are in one kernel and lead to the same LUNs. Only those that are meant get the property that
multipathd takes for a disk's identity; to it the others are disks without one, which it leaves alone.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.lab.errors import CommandTimedOut, LabError
from tests.lab.inside import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.lab.cluster import Cluster, Node

SECONDS = 60.0
UDEVD = "/usr/lib/systemd/systemd-udevd"
RULES = "/run/udev/rules.d/59-lab.rules"
CONFIGURATION = "/etc/multipath.conf"
IDENTITY = "LAB_IDENTITY"
KEY_FILE = "reservation_key file"

# As Debian has it, but quick, and without changing the connections' time-outs or attaching a hardware handler, which
# would stay behind.
DEFAULTS = f"""\
    polling_interval 1
    max_polling_interval 1
    find_multipaths yes
    user_friendly_names yes
    fast_io_fail_tmo {layout.REPLACEMENT_SECONDS}
    uid_attrs "sd:{IDENTITY}"
    retrigger_tries 0
"""
DEVICE = """\
    vendor "LIO-ORG"
    product ".*"
    hardware_handler "0"
    path_grouping_policy multibus
    prio const
    detect_prio no
"""

# What udevd and multipathd leave in the file system; the links of /dev/disk/by-id are made anew by Node.renew.
TRACES = (
    CONFIGURATION,
    "/etc/multipath",
    "/run/udev",
    "/run/multipathd.pid",
    "/dev/block",
    "/dev/char",
    "/dev/disk/by-path",
    "/dev/disk/by-diskseq",
)


class Multipathd:
    """multipathd of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def ask(self, command: str) -> str:
        """The answer to one of multipathd's own commands, "" if it does not run."""
        return str(self.node.run(["multipathd", *command.split()], timeout=SECONDS).stdout.strip())

    def map_of(self, lun: str) -> str:
        """The name of a LUN's map, "" if there is none."""
        lines = self.ask("show maps raw format %w|%n").splitlines()
        names = {wwid: name for wwid, _, name in (line.partition("|") for line in lines)}
        return names.get(f"3{layout.LUNS[lun].naa}", "")

    def active(self, name: str) -> list[str]:
        """The paths that a map uses, such as ["/dev/sdc", "/dev/sdf"]."""
        lines = [line.split("|") for line in self.ask("show paths raw format %m|%d|%t|%T").splitlines()]
        return sorted(f"/dev/{line[1]}" for line in lines if line[0] == name and line[2:] == ["active", "ready"])

    def wait_for_paths(self, name: str, number: int) -> None:
        """Until a map uses so many paths."""
        wait_until(lambda: len(self.active(name)) == number, lambda: f"{number} paths: {self.ask('show topology')}")

    def start(self) -> None:
        """Start it; it has looked at all disks when it answers."""
        self.node.run(["multipathd"], check=True, timeout=SECONDS)
        wait_until(lambda: self.ask("show daemon").endswith("idle"), lambda: "multipathd does not answer")

    def restart(self) -> None:
        """End it and start it again; the maps stay."""
        process = self.process()
        self.ask("shutdown")
        wait_until(lambda: not self.process(), lambda: f"multipathd ({process}) does not end")
        self.start()

    def process(self) -> str:
        """Its process number, "" if it does not run."""
        return str(self.node.run(["pgrep", "-x", "multipathd"]).stdout.strip())

    def log(self) -> list[str]:
        """What it has logged."""
        return [line for line in self.node.syslog() if line.startswith("multipathd: ")]


@contextmanager
def running(
    lab: Cluster,
    node: Node,
    lun: str,
    paths: Sequence[str],
    later: Sequence[str] = (),
    settings: str = KEY_FILE,
) -> Iterator[tuple[Multipathd, str]]:
    """While it lasts, multipathd runs in `node`; its paths to the LUN are the connections of the nodes `paths`.

    Those of the nodes `later`, which have been dropped, become paths once they are restored. `settings` are further
    lines for the section "defaults" of multipath.conf. Gives the daemon and the name of the map that it has made, when
    all paths are in use and udevd has made all links to it.
    """
    if node.run(["ls", f"/usr/lib/modules/{lab.guest.kernel.release}"]).returncode == 0:
        node.run(["modprobe", "-a", "dm_multipath", "dm_service_time"], check=True)
    multipathd = Multipathd(node)
    try:
        _configure(node, [layout.target(path, lun) for path in (*paths, *later)], settings)
        node.run([UDEVD, "--daemon"], check=True, timeout=SECONDS)
        disks = [lab.nodes[path].disk(lun) for path in paths]
        node.run(["udevadm", "trigger", "--settle", "--action=add", *disks], check=True, timeout=SECONDS)
        multipathd.start()
        wait_until(lambda: multipathd.map_of(lun), lambda: f"no map: {multipathd.ask('show paths')}")
        name = multipathd.map_of(lun)
        multipathd.wait_for_paths(name, len(paths))
        _wait_for_links(node, lun, name)
        yield multipathd, name
    finally:
        try:
            for path in (*paths, *later):  # what is under way must end before a map can go
                bring_back(lab, path, lun)
        finally:
            _clean_up(multipathd)


def bring_back(lab: Cluster, path: str, lun: str) -> None:
    """End whatever keeps a path away. Unlike Node.heal it leaves the links to udevd, which may be making them."""
    lab.guest.call("heal", node=path, luns=[lun])


def _configure(node: Node, targets: Sequence[str], settings: str) -> None:
    mark = f'ENV{{{IDENTITY}}}="$env{{ID_SERIAL}}"'
    rules = (
        f'SUBSYSTEM=="block", ENV{{SCSI_IDENT_TARGET_NAME}}=="{"|".join(targets)}", {mark}\n'
        'SUBSYSTEM=="block|scsi_generic", GROUP:="root", MODE:="0600"\n'  # as the kernel made them
    )
    text = f"defaults {{\n{DEFAULTS}{settings}\n}}\ndevices {{\ndevice {{\n{DEVICE}}}\n}}\n"
    node.run(["mkdir", "-p", "/run/udev/rules.d", "/etc/multipath"], check=True)
    node.run(["tee", RULES], stdin=rules, check=True)
    node.run(["tee", CONFIGURATION], stdin=text, check=True)


def _wait_for_links(node: Node, lun: str, name: str) -> None:
    """A path and the map over it have the same names: until udevd has given them to the map."""
    links = [f"/dev/mapper/{name}", *layout.LUNS[lun].by_id]

    def targets() -> list[str]:
        return list(node.run(["realpath", *links]).stdout.splitlines())

    wait_until(lambda: len(set(targets())) == 1 and "/dm-" in targets()[0], lambda: f"{links} lead to {targets()}")


def _clean_up(multipathd: Multipathd) -> None:
    """End the daemons, and kill what does not end; then remove the maps, which nobody makes anew, and the traces."""
    node = multipathd.node
    with suppress(CommandTimedOut):
        multipathd.ask("shutdown")
        node.run(["udevadm", "control", "--exit"], timeout=SECONDS)
    node.renew()
    listed = node.run(["dmsetup", "ls", "--target", "multipath"], check=True).stdout
    for name in [line.split()[0] for line in listed.splitlines() if "\t" in line]:
        node.run(["dmsetup", "--noudevsync", "remove", "--force", "--retry", name], check=True)
        node.run(["rm", "-f", f"/dev/mapper/{name}"], check=True)
    node.run(["rm", "-rf", *TRACES], check=True)
    node.renew()


def wait_until(condition: Callable[[], object], otherwise: Callable[[], str]) -> None:
    """Until the condition holds; LabError with what `otherwise` says if that takes too long."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"not within {SECONDS} s: {otherwise()}")
        time.sleep(0.1)
