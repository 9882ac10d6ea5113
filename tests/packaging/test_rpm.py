"""The rpm package: how it is built and judged, and its life on a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packaging import builds
from tests.packaging.installed import (
    AGENT,
    GUARD,
    LIBRARY,
    REMEMBERED,
    TOOL,
    check_programs,
    contents,
    files,
    uncompiled,
)
from tests.packaging.test_debian import inside

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packaging.builds import Binaries, Packages
    from tests.packaging.container import Container

pytestmark = [pytest.mark.xdist_group("packages"), pytest.mark.slow]
NAME = builds.PACKAGE
# Debian's rpm knows of no package of Debian's.
RPM = ["rpm", "--nodeps"]
POLICY = "usr/share/selinux/packages/fence_pr_ioctl.pp"

# Folders that every distribution with rpm has, and Debian has not.
DISTRIBUTIONS_OWN = {"/usr/share/licenses"}


def test_rpmlint_has_nothing_to_say(workshop: Container, packages: Packages) -> None:
    folder = packages.source / "rpm"
    judged = [folder / f"{NAME}.spec", packages.rpm, packages.policy_rpm, packages.source_rpm]
    command = ["rpmlint", "--config", inside(workshop, folder / "rpmlint.toml")]
    done = workshop.run([*command, *(inside(workshop, path) for path in judged)], check=False)
    assert "3 packages and 1 specfiles checked; 0 errors, 0 warnings" in done.stdout, done.stdout


def unpacked(workshop: Container, rpm: Path) -> dict[str, tuple[str, bytes]]:
    """The files of a package."""
    folder = rpm.parent / f"{rpm.name}.content"
    folder.mkdir()
    command = f"rpm2cpio {inside(workshop, rpm)} | cpio --quiet -id"
    workshop.run(["sh", "-c", command], cwd=inside(workshop, folder))
    return contents(folder)


def test_the_package_is_what_make_installs(workshop: Container, packages: Packages) -> None:
    folder = packages.deb.parent
    (folder / "rpm-made").mkdir()
    main = unpacked(workshop, packages.rpm)
    # The licence belongs to both.
    policy = {name: it for name, it in unpacked(workshop, packages.policy_rpm).items() if name not in main}
    assert list(policy) == [POLICY]
    share = "/usr/share"
    places = [f"docdir={share}/doc/{NAME}", f"licensedir={share}/licenses/{NAME}"]
    target = f"DESTDIR={inside(workshop, folder / 'rpm-made')}"
    workshop.run(["make", "-s", "-C", inside(workshop, packages.source), "install", target, *places])
    ours = contents(folder / "rpm-made")
    assert len(ours) > 40
    assert {**main, **policy} == ours


@pytest.mark.parametrize(("distribution", "package"), [("rhel 8", "python3.11"), ("sle_version 150600", "python311")])
def test_where_python3_is_too_old_a_newer_one_is_named(
    workshop: Container, packages: Packages, distribution: str, package: str
) -> None:
    """RHEL 8 and SLES 15 have Python 3.6 by that name."""
    inside_python = "/usr/bin/python3.11"
    workshop.run(["ln", "-sf", "python3", inside_python])  # what %check runs it with
    folder = f"/tmp/{package}"
    options = ["--nodeps", "--define", f"_topdir {folder}", "--define", distribution, "--without", "selinux"]
    archive = inside(workshop, packages.source.with_name(f"{packages.source.name}.tar.gz"))
    workshop.run(["rpmbuild", "-tb", *options, archive])
    rpm = workshop.run(["find", folder, "-name", "*.rpm"]).stdout.split()
    assert len(rpm) == 1, "no policy module"
    assert f"{package} >= 3.9\n" in workshop.run(["rpm", "-qp", "--requires", *rpm]).stdout
    workshop.run(["sh", "-c", f"rpm2cpio {rpm[0]} | cpio --quiet -id"], cwd=folder)
    for program in (AGENT, GUARD, TOOL):
        first = workshop.run(["head", "-n1", f"{folder}{program}"]).stdout
        assert first.startswith(f"#!{inside_python} -"), program


def test_install_upgrade_erase(rpm_machine: Container, older: Binaries, packages: Packages) -> None:
    before = files(rpm_machine)
    assert AGENT not in before
    rpm_machine.run([*RPM, "--install", inside(rpm_machine, older.rpm)])
    check_programs(rpm_machine, builds.OLDER)
    assert any(builds.DROPPED in path for path in files(rpm_machine, LIBRARY))
    rpm_machine.run([*RPM, "--upgrade", inside(rpm_machine, packages.rpm)])
    check_programs(rpm_machine, builds.version())
    assert not any(builds.DROPPED in path for path in files(rpm_machine, LIBRARY))
    assert uncompiled(rpm_machine) == set()
    assert rpm_machine.run([*RPM, "--verify", NAME]).stdout == ""
    assert rpm_machine.run(["stat", "-c", "%a %U %G", REMEMBERED]).stdout == "700 root root\n"
    rpm_machine.run([*RPM, "--erase", NAME])
    assert files(rpm_machine) - before == DISTRIBUTIONS_OWN
    assert before <= files(rpm_machine)
