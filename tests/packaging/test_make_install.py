"""`make install` and `make uninstall`, into a folder."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fence_pr import state_file
from tests.documents import commands
from tests.packaging.builds import DROPPED, PROJECT, version
from tests.packaging.installed import REMEMBERED, contents

MODULES = {str(path.relative_to(PROJECT / "lib"))[:-3] for path in (PROJECT / "lib/fence_pr").rglob("*.py")}
# Where each thing is expected; modules and byte code apart.
EXPECTED = {
    "usr/sbin/fence_pr_ioctl": "fence_pr_ioctl",
    "usr/sbin/pr_fence_guard": "pr_fence_guard",
    "usr/sbin/pr_fence": "pr_fence",
    "usr/lib/systemd/system/pr_fence_guard.service": "systemd/pr_fence_guard.service",
    **{
        f"usr/lib/systemd/system/{unit}": f"systemd/{unit}"
        for unit in ("pr_fence_metrics.service", "pr_fence_metrics.timer")
    },
    "usr/share/fence_pr_ioctl/pr_fence.dashboard.json": "monitoring/pr_fence.dashboard.json",
    "usr/share/fence_pr_ioctl/pr_fence.rules.yml": "monitoring/pr_fence.rules.yml",
    "usr/share/fence_pr_ioctl/watchdog.d/pr_fence_guard": "watchdog.d/pr_fence_guard",
    "usr/share/man/man8/fence_pr_ioctl.8": "man/fence_pr_ioctl.8",
    "usr/share/man/man8/pr_fence_guard.8": "man/pr_fence_guard.8",
    "usr/share/man/man8/pr_fence.8": "man/pr_fence.8",
    "usr/share/bash-completion/completions/fence_pr_ioctl": "completion/fence_pr_ioctl",
    "usr/share/bash-completion/completions/pr_fence": "completion/pr_fence",
    "usr/share/fence_pr_ioctl/pr_fence-1.schema.json": "schema/pr_fence-1.schema.json",
    "usr/lib/tmpfiles.d/fence_pr_ioctl.conf": "tmpfiles.d/fence_pr_ioctl.conf",
    "usr/share/licenses/fence_pr_ioctl/LICENSE": "LICENSE",
    **{
        f"usr/share/doc/fence_pr_ioctl/{path.relative_to(PROJECT)}": str(path.relative_to(PROJECT))
        for pattern in ("*.md", "docs/*.md", "docs/pictures/*.svg", "docs/upstream/*")
        for path in PROJECT.glob(pattern)
    },
}
# What Python does with the argument of -c.
EXECUTE = "exec(sys.argv[1])"
EXECUTABLE, PLAIN = "-rwxr-xr-x", "-rw-r--r--"
FOREIGN = (
    "usr/sbin/fence_other",
    "usr/share/man/man8/fence_other.8",
    "usr/share/bash-completion/completions/fence_other",
    "usr/lib/tmpfiles.d/other.conf",
    "usr/lib/systemd/system/other.service",
    "usr/share/doc/other/README.md",
)


def make(root: Path, *arguments: str) -> None:
    """Run make with `root` in place of /, as somebody whose files are for himself unless told otherwise."""
    command = ["make", "-s", "-C", str(PROJECT), f"DESTDIR={root}", *arguments]
    subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *command], check=True, capture_output=True)


def entries(root: Path) -> set[str]:
    """All files and folders."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_everything_is_installed_for_all_users(tmp_path: Path) -> None:
    make(tmp_path, "install")
    found = contents(tmp_path)
    for name, source in EXPECTED.items():
        mode = EXECUTABLE if "/sbin/" in name or "/watchdog.d/" in name else PLAIN
        assert found.pop(name) == (mode, (PROJECT / source).read_bytes()), name
    modules = {name: found.pop(f"usr/lib/fence_pr_ioctl/{name}.py") for name in MODULES}
    assert modules == {name: (PLAIN, (PROJECT / f"lib/{name}.py").read_bytes()) for name in MODULES}
    compiled = {name.split(".")[0].replace("__pycache__/", "") for name in found}
    assert compiled == {f"usr/lib/fence_pr_ioctl/{name}" for name in MODULES}
    assert all(name.endswith(".pyc") and mode == PLAIN for name, (mode, _) in found.items())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_dir()} == {0o755}


def test_uninstall_takes_away_what_install_brought_and_nothing_else(tmp_path: Path) -> None:
    for name in FOREIGN:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    make(tmp_path, "install", "uninstall")
    shared = {"usr/share/licenses"}
    assert entries(tmp_path) == {str(part) for name in FOREIGN for part in parts(name)} | shared


def parts(name: str) -> list[str]:
    """The path and all folders that it is in."""
    pieces = name.split("/")
    return ["/".join(pieces[:count]) for count in range(1, len(pieces) + 1)]


def test_every_folder_can_be_chosen(tmp_path: Path) -> None:
    folders = ("sbindir", "mandir", "docdir", "licensedir", "completionsdir", "tmpfilesdir", "unitdir", "schemadir")
    chosen = [f"{name}=/chosen/{name}" for name in folders]
    make(tmp_path, "install", "PREFIX=/opt", *chosen)
    assert {name.split("/")[1] for name in contents(tmp_path) if name.startswith("chosen/")} == set(folders)
    assert all(name.startswith(("chosen/", "opt/lib/fence_pr_ioctl/")) for name in contents(tmp_path))
    make(tmp_path, "uninstall", "PREFIX=/opt", *chosen)
    assert contents(tmp_path) == {}


def test_a_shared_folder_for_documents_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "doc").mkdir()
    (tmp_path / "doc/other").touch()
    for target in ("install", "uninstall"):
        make(tmp_path, target, "docdir=/doc", "licensedir=/doc")
    assert entries(tmp_path / "doc") == {"other"}


def test_packagers_get_no_byte_code(tmp_path: Path) -> None:
    make(tmp_path, "install")
    make(tmp_path, "install-files")
    assert not [name for name in contents(tmp_path) if name.endswith(".pyc")]


def test_an_upgrade_leaves_nothing_of_the_older_version(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/fence_pr_ioctl/fence_pr"
    make(tmp_path, "install")
    new = contents(tmp_path)
    for place in (library, library / "storage", library / DROPPED):
        (place / "__pycache__").mkdir(parents=True, exist_ok=True)
        (place / f"{DROPPED}.py").touch()
        (place / "__pycache__" / f"{DROPPED}.cpython-39.pyc").touch()
    (library / "agent.py").write_text("older")
    make(tmp_path, "install")
    assert contents(tmp_path) == new


def test_it_runs_where_it_is(tmp_path: Path) -> None:
    make(tmp_path, "install", "PREFIX=/usr/local")
    for program in PROGRAMS:
        command = [f"{tmp_path}/usr/local/sbin/{program}", "-V"]
        assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == f"{program} {version()}\n"


PROGRAMS = ("fence_pr_ioctl", "pr_fence_guard", "pr_fence")


def test_the_programs_run_the_interpreter_that_was_chosen(tmp_path: Path) -> None:
    chosen = tmp_path / "python3.11"
    chosen.symlink_to("/usr/bin/python3")
    for interpreter in (Path("/usr/bin/python3"), chosen):
        make(tmp_path, "install", f"PYTHON={interpreter}")
        for program in PROGRAMS:
            first = (tmp_path / "usr/sbin" / program).read_text().splitlines()[0]
            assert first == f"#!{interpreter} -ISXutf8"


def test_an_older_interpreter_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    older = tmp_path / "python3.6"
    older.write_text(
        f"#!/bin/sh\nexec /usr/bin/python3 -c 'import sys; sys.version_info = (3, 6, 8); {EXECUTE}' \"$2\"\n"
    )
    older.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as failure:
        make(tmp_path / "root", "install", f"PYTHON={older}")
    assert b"Python 3.9 or later is needed" in failure.value.stderr
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("older", [(3, 6, 8), (3, 8, 20)])
def test_a_program_that_an_older_interpreter_runs_says_so(program: str, older: tuple[int, ...]) -> None:
    """Whatever the interpreter has not must not be met before."""
    code = compile((PROJECT / program).read_text(), program, "exec", dont_inherit=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "version_info", older)
        with pytest.raises(SystemExit, match=f"{program} needs Python 3.9 or later; {sys.executable} is "):
            exec(code, {"__file__": str(PROJECT / program)})


def test_units_and_the_watchdogs_script_start_the_guard_where_it_is(tmp_path: Path) -> None:
    for prefix in ("/usr", "/usr/local"):
        make(tmp_path, "install", f"PREFIX={prefix}")
        unit = (tmp_path / f"{prefix[1:]}/lib/systemd/system/pr_fence_guard.service").read_text()
        (start,) = re.findall("^ExecStart=(.*)$", unit, re.MULTILINE)
        assert start.split()[0] == f"{prefix}/sbin/pr_fence_guard"
        assert re.findall("^EnvironmentFile=-(/[a-z]*)/", unit, re.MULTILINE) == ["/etc", "/etc"]
        script = (tmp_path / f"{prefix[1:]}/share/fence_pr_ioctl/watchdog.d/pr_fence_guard").read_text()
        assert f"\nguard={prefix}/sbin/pr_fence_guard\n" in script
        metrics = (tmp_path / f"{prefix[1:]}/lib/systemd/system/pr_fence_metrics.service").read_text()
        assert f"\nExecStart={prefix}/sbin/pr_fence metrics " in metrics


@pytest.mark.parametrize(("guard", "code"), [("exit 7", 7), ("exit 0", 0), (None, 0)])
def test_the_watchdogs_script_says_what_the_guard_says(tmp_path: Path, guard: str | None, code: int) -> None:
    """Where the package is gone, and the script is not, that must not reset the machine."""
    make(tmp_path, "install-files", f"sbindir={tmp_path}/sbin")
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/pr_fence_guard_other").touch()
    if guard:
        (tmp_path / "sbin/pr_fence_guard").write_text(f'#!/bin/sh\n[ "$*" = "test it" ] && {guard}\n')
        (tmp_path / "sbin/pr_fence_guard").chmod(0o755)
    script = tmp_path / "usr/share/fence_pr_ioctl/watchdog.d/pr_fence_guard"
    assert subprocess.run([script, "test", "it"], check=False).returncode == code


def test_the_watchdogs_script_calls_nothing_well_that_it_may_not_ask(tmp_path: Path) -> None:
    make(tmp_path, "install-files", f"sbindir={tmp_path}/sbin")
    script = tmp_path / "usr/share/fence_pr_ioctl/watchdog.d/pr_fence_guard"
    done = subprocess.run([script, "test"], check=False, capture_output=True, text=True)
    assert (done.returncode, "sbin" in done.stderr) == (errno.EACCES, True), "the folder cannot be listed"
    (tmp_path / "sbin").mkdir()
    (tmp_path / "sbin/pr_fence_guard").touch(mode=0o644)
    assert subprocess.run([script, "test"], check=False, capture_output=True).returncode == 126


def test_the_folders_at_boot_are_the_agents() -> None:
    lines = [it for it in (PROJECT / "tmpfiles.d/fence_pr_ioctl.conf").read_text().splitlines() if it[0] != "#"]
    folders = (state_file.FOLDER, REMEMBERED)
    assert [line.split() for line in lines] == [["d", it, "0700", "root", "root", "-"] for it in folders]


def test_whoever_reads_what_is_installed_finds_what_it_leads_to(tmp_path: Path) -> None:
    make(tmp_path, "install-files")
    folder = tmp_path / "usr/share/doc/fence_pr_ioctl"
    documents = sorted(path.relative_to(folder) for path in folder.rglob("*.md"))
    assert len(documents) >= 9
    for document in documents:
        for place in commands.pictures_and_links(str(document)):
            assert (folder / document).parent.joinpath(place).exists(), f"{document} leads to {place}"


@pytest.mark.parametrize(
    ("document", "pattern"),
    [
        ("CHANGELOG.md", r"\n## (\d\S*) - \d{4}-\d\d-\d\d\n"),
        ("debian/changelog", r"\A\S+ \((.*)\) "),
        ("rpm/fence-agents-pr-ioctl.spec", r"%changelog\n\* .* (\S+)-\d+\n"),
    ],
)
def test_the_newest_entry_of_each_changelog_is_this_version(document: str, pattern: str) -> None:
    found = re.search(pattern, (PROJECT / document).read_text())
    assert found
    assert found[1] == version(), f"{document} has no entry for this version"
