"""The bash completion, in a real bash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pexpect
import pytest

from fence_pr.option_table import ACTIONS, BOOLEAN, FLAG, OPTIONS, SELECT
from tests.packaging.builds import PROJECT

SCRIPT = PROJECT / "completion" / "fence_pr_ioctl"
COMPLETE = """\
source "$0"
COMP_LINE=$1 COMP_POINT=${2:-${#1}}
_fence_pr_ioctl
printf '%s\\n' "${COMPREPLY[@]}"
"""
DISKS = ("disk/by-id/wwn-0x6001", "disk/by-id/wwn-0x6002", "disk/by-id/nvme-eui.01", "mapper/mpatha")
NO_DISKS = ("disk/by-id/wwn-0x6001-part1", "mapper/control")
COROSYNC = """\
totem {
    cluster_name: here
}
nodelist {
    node {
        name: alpha
        ring0_addr: 10.0.0.1
    }
    node {
        ring0_addr: 10.0.0.2
        name: beta
    }
}
"""
USED = [option for option in OPTIONS if option.advertised and not option.ignored]
WITH_ARGUMENT = [option for option in OPTIONS if option.kind != FLAG]


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The completion, with folders of its own in place of /dev and /etc."""
    for name in (*DISKS, *NO_DISKS):
        (tmp_path / "dev" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev" / name).touch()
    (tmp_path / "etc/corosync").mkdir(parents=True)
    (tmp_path / "etc/corosync/corosync.conf").write_text(COROSYNC)
    text = SCRIPT.read_text()
    for folder in ("/dev/disk/by-id/", "/dev/mapper/", "/etc/corosync/"):
        assert folder in text
        text = text.replace(folder, f"{tmp_path}{folder}")
    changed = tmp_path / "completion"
    changed.write_text(text)
    return changed


def replies(typed: str, script: Path = SCRIPT, options: str = "", point: str = "") -> list[str]:
    """What bash is offered after `fence_pr_ioctl` and the typed text."""
    command = ["bash", "--norc", *options.split(), "-uc", COMPLETE, str(script), f"fence_pr_ioctl {typed}", point]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1] if done.stdout != "\n" else []


def test_options_are_those_that_have_an_effect() -> None:
    expected = {f"--{option.long()}" for option in USED} | {f"-{option.short}" for option in USED if option.short}
    assert set(replies("")) == set(replies("-")) == expected
    assert set(replies("--")) == {name for name in expected if name.startswith("--")}
    assert replies("-v --ver") == ["--verbose", "--verbose-level", "--version"]


def test_an_option_after_one_with_an_argument() -> None:
    assert replies("--action=off --abo") == replies("-o off --abo") == ["--abort"]


@pytest.mark.parametrize("option", WITH_ARGUMENT, ids=lambda option: option.name)
def test_options_are_not_offered_as_an_argument(option: object) -> None:
    assert isinstance(option, type(OPTIONS[0]))
    for name in option.names():
        assert not [reply for reply in replies(f"--{name} ") if reply.startswith("--")]


@pytest.mark.parametrize("before", ["-o ", "--action ", "-v --action ", "--option "])
def test_actions(before: str) -> None:
    assert replies(before) == [action.name for action in ACTIONS]
    assert replies(f"{before}li") == ["list", "list-status"]


def test_choices() -> None:
    selects = [option for option in USED if option.kind == SELECT]
    assert len(selects) >= 4
    for option in selects:
        for name in (option.long(), option.name):
            assert replies(f"--{name} ") == list(option.choices)
    for option in USED:
        if option.kind == BOOLEAN:
            assert replies(f"--{option.long()} ") == ["true", "false"]


def test_disks(script: Path, tmp_path: Path) -> None:
    disks = {f"{tmp_path}/dev/{name}" for name in DISKS}
    for before in ("-d ", "--devices ", "--devices="):
        assert set(replies(before, script)) == disks
    assert replies(f"-d {tmp_path}/dev/m", script) == [f"{tmp_path}/dev/mapper/mpatha"]


def test_disks_after_a_comma(script: Path, tmp_path: Path) -> None:
    first, second = (f"{tmp_path}/dev/{DISKS[number]}" for number in (0, 3))
    assert f"{first},{second}" in replies(f"-d {first},", script)
    assert replies(f"-d {first},{second[:-3]}", script) == [f"{first},{second}"]
    assert replies(f"--devices={first},{second[:-3]}", script) == [f"{first},{second}"]


def test_nodes(script: Path) -> None:
    for before in ("-n ", "--plug ", "--plug=", "--port "):
        assert replies(before, script) == ["alpha", "beta"]
    assert replies("-n b", script) == ["beta"]


def test_files(tmp_path: Path) -> None:
    (tmp_path / "a file.log").touch()
    for before in ("--logfile ", "-D ", "--debug-file=", "--corosync-conf "):
        assert replies(f"{before}{tmp_path}/a", SCRIPT) == [f"{tmp_path}/a file.log"]


def test_what_stands_after_the_cursor_does_not_matter() -> None:
    assert replies("-o st -n node", point=str(len("fence_pr_ioctl -o st"))) == ["status"]


@pytest.mark.parametrize("options", ["-f", "-O nullglob", "-O failglob", "-O nocasematch -O extglob", "--posix"])
def test_whatever_options_the_shell_has(options: str, script: Path) -> None:
    assert replies("-o sta", script, options) == ["status"]
    assert len(replies("-d ", script, options)) == len(DISKS)


def test_names_are_never_taken_for_commands(script: Path, tmp_path: Path) -> None:
    name = "$(touch hit)`touch hit`"
    (tmp_path / "dev/mapper" / name).touch()
    assert f"{tmp_path}/dev/mapper/{name}" in replies("-d ", script)
    assert not Path("hit").exists()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("--act", "--action "),
        ("-o stat", "-o status "),
        ("--action=stat", "--action=status "),
        ("--type=ea", "--type=ea"),
        ("-n al", "-n alpha "),
        ("-d {dev}/disk/by-id/nvme", "-d {dev}/disk/by-id/nvme-eui.01 "),
        (
            "--devices={dev}/mapper/mpatha,{dev}/disk/by-id/n",
            "--devices={dev}/mapper/mpatha,{dev}/disk/by-id/nvme-eui.01 ",
        ),
        ("-d {dev}/disk/by-id/scsi-1:", "-d {dev}/disk/by-id/scsi-1:2:3 "),
    ],
)
def test_at_the_keyboard(typed: str, completed: str, script: Path, tmp_path: Path) -> None:
    """readline is what puts a reply in place of what was typed; Tab, and then the line as an argument of echo."""
    dev = f"{tmp_path}/dev"
    (tmp_path / "dev/disk/by-id/scsi-1:2:3").touch()
    with pexpect.spawn("bash", ["--norc", "--noprofile"], env={"TERM": "dumb", "PATH": "/usr/bin:/bin"}, timeout=60,
                       encoding="utf-8", dimensions=(24, 1000)) as shell:  # fmt: skip
        shell.sendline(f"source {script}; PS1='ready> '; fence_pr_ioctl() {{ printf '<%s>' \"$*\" end; }}")
        shell.expect("\nready> |\rready> ")
        shell.send(f"fence_pr_ioctl {typed.format(dev=dev)}\t$'\\x7c'\r")
        shell.expect(r"<([^>]*)><end>")
        assert shell.match
        assert shell.match[1] == f"{completed.format(dev=dev)}|"
