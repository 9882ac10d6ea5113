"""The rpm package: how it is built and judged, and its life on a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.packaging import builds
from tests.packaging.installed import (
    AGENT,
    LIBRARY,
    REMEMBERED,
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
QUERY = ["rpm", "--query", "--package"]

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


@pytest.mark.parametrize(
    ("distribution", "interpreter", "package"),
    [
        ("fedora 43", "/usr/bin/python3", "python3"),
        ("rhel 9", "/usr/bin/python3", "python3"),
        ("suse_version 1600", "/usr/bin/python3", "python3"),
        # There python3 is 3.6.
        ("rhel 8", "/usr/bin/python3.11", "python3.11"),
        ("suse_version 1500", "/usr/bin/python3.11", "python311"),
    ],
)
def test_the_programs_name_an_interpreter_that_the_distribution_has(
    workshop: Container, packages: Packages, distribution: str, interpreter: str, package: str
) -> None:
    workshop.run(["ln", "-sf", "python3", "/usr/bin/python3.11"])  # what %check runs it with
    built = inside(workshop, builds.build_rpm(workshop, packages, distribution))
    requires = workshop.run([*QUERY, "--requires", built]).stdout.splitlines()
    assert [it for it in requires if it.startswith("python")] == [f"{package} >= 3.9"]
    content = f"{built}.content"
    workshop.run(["mkdir", content])
    workshop.run(["sh", "-c", f"rpm2cpio {built} | cpio --quiet -id"], cwd=content)
    for program in ("fence_pr_ioctl", "pr_fence", "pr_fence_guard"):
        first = workshop.run(["head", "-n1", f"{content}/usr/sbin/{program}"]).stdout
        assert first == f"#!{interpreter} -ISXutf8\n"


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
