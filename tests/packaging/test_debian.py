"""The Debian package: how it is built and judged, and its life on a machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.packaging import builds
from tests.packaging.container import EXCHANGE
from tests.packaging.installed import (
    AGENT,
    ENABLED_GUARD,
    LIBRARY,
    REMEMBERED,
    STATE,
    check_programs,
    contents,
    files,
    uncompiled,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.builds import Binaries, Packages
    from tests.packaging.container import Container

pytestmark = [pytest.mark.xdist_group("packages"), pytest.mark.slow]
NAME = builds.PACKAGE
# What only the package has: Debian's own documents, and what compiles the modules anew for another Python.
DEBIANS_OWN = {
    f"usr/share/doc/{NAME}/changelog",
    f"usr/share/doc/{NAME}/copyright",
    f"usr/share/python3/runtime.d/{NAME}.rtupdate",
}
# What Debian's tools know of the units that a person may enable, until the package is purged.
NOTED_UNTIL_PURGE = {
    f"/var/lib/systemd/deb-systemd-helper-enabled/{unit}.dsh-also"
    for unit in ("pr_fence_guard.service", "pr_fence_metrics.timer")
}


def inside(machine: Container, path: Path) -> str:
    """The path as the machine sees it."""
    return f"{EXCHANGE}/{path.relative_to(machine.exchange)}"


def install(machine: Container, packages: Binaries) -> None:
    """Install with everything that dpkg does for it."""
    machine.run(["dpkg", "--install", inside(machine, packages.deb)])


def test_lintian_has_nothing_to_say(workshop: Container, packages: Packages) -> None:
    judge = ["lintian", "--display-info", "--display-experimental", "--pedantic", "--fail-on=pedantic"]
    done = workshop.run([*judge, "--allow-root", inside(workshop, packages.changes)], check=False)
    assert done.returncode == 0, done.stdout
    assert [line for line in done.stdout.splitlines() if not line.startswith("N: ")] == []


def test_the_package_is_what_make_installs(workshop: Container, packages: Packages) -> None:
    deb = packages.deb.parent / "deb"
    workshop.run(["dpkg-deb", "--extract", inside(workshop, packages.deb), inside(workshop, deb)])
    made = packages.deb.parent / "deb-made"
    variables = [f"DESTDIR={inside(workshop, made)}", f"docdir=/usr/share/doc/{NAME}"]
    workshop.run(["make", "-s", "-C", inside(workshop, packages.source), "install-files", *variables])
    ours = {name: it for name, it in contents(made).items() if not name.startswith("usr/share/licenses/")}
    theirs = contents(deb)
    assert theirs.keys() >= DEBIANS_OWN
    assert {name: it for name, it in theirs.items() if name not in DEBIANS_OWN} == ours


def test_what_it_says_of_itself(workshop: Container, packages: Packages) -> None:
    shown = workshop.run(["dpkg-deb", "--info", inside(workshop, packages.deb)]).stdout
    fields = dict(re.findall(r"^ (\S+): (.*)$", shown, re.MULTILINE))
    assert (fields["Package"], fields["Version"]) == (NAME, builds.version())
    assert (fields["Architecture"], fields["Enhances"]) == ("all", "pacemaker")
    assert "python3 (>= 3.9)" in fields["Depends"]
    assert fields["Homepage"].startswith("https://")


def test_autopkgtest_holds_where_it_is_installed_and_fails_where_it_is_not(
    clean: Container, packages: Packages
) -> None:
    """What autopkgtest runs, without autopkgtest."""
    control = (packages.source / "debian/tests/control").read_text()
    (name,) = re.findall("^Tests: (.*)$", control, re.MULTILINE)
    test = inside(clean, packages.source / "debian/tests" / name)
    assert clean.run([test], check=False).returncode != 0
    install(clean, packages)
    assert f"fence_pr_ioctl {builds.version()}\n" in clean.run([test]).stdout
    clean.run(["sed", "-i", "1a raise SystemExit(1)", AGENT])
    assert clean.run([test], check=False).returncode != 0


def test_install_run_remove_purge(clean: Container, packages: Packages) -> None:
    before = files(clean)
    install(clean, packages)
    check_programs(clean, builds.version())
    assert uncompiled(clean) == set()
    for folder in (STATE, REMEMBERED):
        assert clean.run(["stat", "-c", "%a %U %G", folder]).stdout == "700 root root\n"
    assert clean.run(["dpkg", "--verify", NAME]).stdout == ""
    clean.run(["touch", f"{STATE}/disk", f"{REMEMBERED}/disk"])
    clean.run(["dpkg", "--remove", NAME])
    kept = {STATE, f"{STATE}/disk", REMEMBERED, f"{REMEMBERED}/disk"}
    assert files(clean) - before == {*kept, *NOTED_UNTIL_PURGE}
    clean.run(["dpkg", "--purge", NAME])
    assert files(clean) == before


def test_the_guard_is_switched_on_by_a_person_only(clean: Container, packages: Packages) -> None:
    install(clean, packages)
    assert ENABLED_GUARD not in files(clean, "/etc")
    # What `systemctl enable` does.
    clean.run(["mkdir", "-p", ENABLED_GUARD.rpartition("/")[0]])
    clean.run(["ln", "-s", "/lib/systemd/system/pr_fence_guard.service", ENABLED_GUARD])
    install(clean, packages)
    assert ENABLED_GUARD in files(clean, "/etc")
    clean.run(["dpkg", "--purge", NAME])
    assert ENABLED_GUARD not in files(clean, "/etc")


def test_upgrade(clean: Container, older: Binaries, packages: Packages) -> None:
    install(clean, older)
    check_programs(clean, builds.OLDER)
    assert any(builds.DROPPED in path for path in files(clean, LIBRARY))
    clean.run(["touch", f"{STATE}/disk"])
    install(clean, packages)
    check_programs(clean, builds.version())
    assert not any(builds.DROPPED in path for path in files(clean, LIBRARY))
    assert uncompiled(clean) == set()
    clean.run(["test", "-e", f"{STATE}/disk"])


def test_without_python_it_is_not_configured(clean: Container, packages: Packages) -> None:
    clean.run(["dpkg", "--force-depends", "--force-remove-essential", "--remove", "python3"])
    done = clean.run(["dpkg", "--install", inside(clean, packages.deb)], check=False)
    assert done.returncode == 1
    assert f"{NAME} depends on python3 (>= 3.9)" in done.stderr


def test_a_bare_machine_has_no_agent(clean: Container) -> None:
    """Otherwise the other tests would show nothing."""
    assert clean.run(["test", "-e", AGENT], check=False).returncode == 1
