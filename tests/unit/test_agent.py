"""The whole process: exit codes, texts, streams, delay, and a hostile environment. No disk is there."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr import __version__, metadata
from tests.model.node import conf
from tests.unit.process import AGENT, NO_HINT, agent, nobody, public_copy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GONE = "/dev/fence_pr_ioctl_none"
NOT_THERE = "no such device; check its name, and the connection to the storage"
MISSING_PLUG = "Failed: You have to enter plug number or machine identification" + NO_HINT


@pytest.fixture
def corosync(tmp_path: Path) -> str:
    """A configuration with n1, n2 and n3."""
    return str(conf(tmp_path))


def call(corosync: str, *lines: str) -> bytes:
    """Lines for standard input."""
    return "".join(f"{line}\n" for line in (f"corosync_conf={corosync}", *lines)).encode()


@pytest.mark.promise(5, 8)
@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "You have to enter plug number or machine identification"),
        (["action=off"], "You have to enter plug number or machine identification"),
        (["action=off", "plug=n2"], "No devices: the option devices is missing or empty"),
        (["action=monitor"], "No devices: the option devices is missing or empty"),
        (["action=reboot"], "Unrecognised action 'reboot'"),
        (["action=Of f"], "Unrecognised action 'Of f' (did you mean 'off'?)"),
        (["action = "], "Unrecognised action ''"),
        (
            ["acton=status"],
            "unknown option 'acton' (did you mean 'action'?), and no action was given ('off' is the default)",
        ),
        (["action"], "'action' is not of the form name=value"),
        (["action=off", "delay=9,5"], "option 'delay', value '9,5': is not a number of seconds"),
        (["action=off", "retry_on=x"], "option 'retry_on', value 'x': is not a whole number"),
        (["action=off", "quiet=maybe"], "option 'quiet', value 'maybe': is neither true nor false"),
        (["action=off", "type=WE"], "option 'type', value 'WE': is none of auto, WERO, EARO, WEAR, EAAR"),
        (["action=off", "plug=a,b"], "option 'plug', value 'a,b': one node per call"),
        (["action=off", "plug=a\0b"], "option 'plug', value 'a\\0b': contains a NUL character"),
    ],
)
def test_a_wrong_call_fails_at_once_with_one_line(corosync: str, lines: list[str], sentence: str) -> None:
    ended = agent(stdin=call(corosync, "delay=20", *lines))
    assert (ended.code, ended.out, ended.err) == (1, "", f"Failed: {sentence}{NO_HINT}")
    assert ended.seconds < 5


@pytest.mark.promise(5, 8)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--action=reboot", "--plug=n1"], "Unrecognised action 'reboot'"),
        (["-o", "off", "-n", "n1", "-d", GONE, "rest"], "Failed: unexpected argument 'rest'"),
        (["--frobnicate"], "Failed: option --frobnicate is not recognised. "),
        (["--devcies=/dev/sda"], "Failed: option --devcies is not recognised (did you mean '--devices'?). "),
        (["-o"], "Failed: option -o requires an argument"),
        (["-o", "off"], "You have to enter plug number"),
    ],
)
def test_a_wrong_command_line_fails_with_one_line(arguments: list[str], words: str) -> None:
    ended = agent(*arguments)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("Failed: ")
    assert words in ended.err
    assert ended.err.endswith(NO_HINT)
    assert ended.err.count("\n") == 1


@pytest.mark.promise(8)
@pytest.mark.parametrize("data", [b"", b"\n\n", b"# action=status\n"])
def test_no_input_at_all_names_what_is_missing(data: bytes) -> None:
    ended = agent(stdin=data)
    assert (ended.code, ended.out, ended.err) == (1, "", MISSING_PLUG)


@pytest.mark.promise(8)
def test_endless_input_is_refused(corosync: str) -> None:
    ended = agent(stdin=call(corosync, "action=monitor") + b"#" * 3_000_000)
    assert (ended.code, ended.out) == (1, "")
    assert "more than" in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.promise(5)
def test_standard_input_that_cannot_be_read_is_said() -> None:
    fd = os.open("/dev/null", os.O_WRONLY)
    try:
        ended = agent(stdin=fd)
    finally:
        os.close(fd)
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "Bad file descriptor" in ended.err


@pytest.mark.promise(1, 5)
@pytest.mark.parametrize("action", ["on", "off", "status", "monitor", "list-status", "validate-all"])
@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (GONE, NOT_THERE),
        (str(AGENT), "is a regular file, not a disk; name the disk's block device"),
        ("/dev/null", "is a character device, not a disk; name the disk's block device"),
        ("/tmp", "is a directory, not a disk; name the disk's block device"),
    ],
)
def test_what_is_no_disk_fails_every_action_with_one_line(
    corosync: str, action: str, device: str, problem: str
) -> None:
    plug = "plug=0x1"
    ended = agent(stdin=call(corosync, f"action={action}", plug, f"devices={device}", "power_timeout=2"))
    assert (ended.code, ended.out, ended.err) == (1, "", f"Failed: {device}: {problem}\n")


@pytest.mark.promise(5)
def test_all_bad_devices_are_named(corosync: str) -> None:
    ended = agent(stdin=call(corosync, "action=off", "plug=n2", f"devices={GONE},/dev/null {GONE}2"))
    assert ended.code == 1
    assert sorted(line.split(": ")[1] for line in ended.err.splitlines()) == sorted([GONE, "/dev/null", f"{GONE}2"])


@pytest.mark.promise(8)
def test_a_call_without_an_action_line_fences(corosync: str) -> None:
    """Seen by the delay, which only off waits for."""
    ended = agent(stdin=call(corosync, "plug=n2", f"devices={GONE}", "delay=0.5", "nodename=n2"))
    assert (ended.code, ended.err) == (1, f"Failed: {GONE}: {NOT_THERE}\n")
    assert ended.seconds >= 0.5


def test_what_would_be_off_waits_before_it_is_refused_as_other_agents_do() -> None:
    """fence-agents' own check calls so: a login, which no option here is, and no action."""
    arguments = b"login=test\n passwd=test\n ipaddr=test\n port=1\n managed=1\n"
    ended = agent(stdin=b"delay=0.7\n " + arguments)
    assert (ended.code, "unknown option 'login'" in ended.err) == (1, True), ended
    assert ended.seconds >= 0.7
    assert agent(stdin=arguments).seconds < 0.7
    assert "option 'delay'" in agent(stdin=b"delay=soon\n " + arguments).err


def test_off_waits_as_long_as_the_delay_says_and_no_second_more(corosync: str) -> None:
    ended = agent(stdin=call(corosync, "action=off", "plug=n2", f"devices={GONE}", "delay=1"))
    assert (ended.code, ended.err) == (1, f"Failed: {GONE}: {NOT_THERE}\n")
    assert 1.0 <= ended.seconds < 3


@pytest.mark.parametrize("action", ["on", "status", "monitor", "list", "list-status", "validate-all"])
def test_no_other_action_waits(corosync: str, action: str) -> None:
    brief = "power_timeout=4"  # 'on' waits for disks where the machine has just started
    ended = agent(stdin=call(corosync, f"action={action}", "plug=n2", f"devices={GONE}", "delay=20", brief))
    assert ended.seconds < 5


@pytest.mark.parametrize(("separator", "out"), [(",", "n1,\nn2,\nn3,\n"), (";", "n1;\nn2;\nn3;\n")])
def test_list_prints_the_nodes_and_is_otherwise_silent(corosync: str, separator: str, out: str) -> None:
    ended = agent(stdin=call(corosync, "action=list", f"devices={GONE}", f"separator={separator}"))
    assert (ended.code, ended.out, ended.err) == (0, out, "")


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help(argument: str) -> None:
    ended = agent(argument)
    assert (ended.code, ended.out, ended.err) == (0, metadata.help_text(), "")


@pytest.mark.parametrize("argument", ["-V", "--version"])
def test_version(argument: str) -> None:
    ended = agent(argument)
    assert (ended.code, ended.out, ended.err) == (0, f"fence_pr_ioctl {__version__}\n", "")


FAILING = ("action=off", "plug=n2", f"devices={GONE}")


@pytest.mark.parametrize("line", ["quiet=1", "suppress_errors=1"])
def test_a_quiet_failure_still_fails(corosync: str, line: str) -> None:
    ended = agent(stdin=call(corosync, *FAILING, line))
    assert (ended.code, ended.out, ended.err) == (1, "", "")


def test_warnings_are_for_the_verbose_only(corosync: str) -> None:
    lines = ("action=list", "colour=blue", "power-timout=9", "aptpl=1")
    assert agent(stdin=call(corosync, *lines)).err == ""
    ended = agent(stdin=call(corosync, *lines, "verbose=1"))
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "unknown option 'colour' ignored; leave it out",
        "unknown option 'power_timout' ignored (did you mean 'power_timeout'?); leave it out",
        "option 'aptpl' has no effect: the kernel always asks for it; leave it out",
    ]


STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d fence_pr_ioctl\[\d+\]: ")


def test_a_debug_file_is_appended_to(corosync: str, tmp_path: Path) -> None:
    file = tmp_path / "debug"
    file.write_text("before\n")
    for _ in range(2):
        agent(stdin=call(corosync, *FAILING, f"debug_file={file}", "quiet=1", "suppress_errors=1"))
    first, *rest = file.read_text().splitlines()
    assert first == "before"
    assert len(rest) == 2
    assert all(STAMPED.match(line) and line.endswith(f"Failed: {GONE}: {NOT_THERE}") for line in rest)


@pytest.mark.promise(6)
@pytest.mark.parametrize("option", ["debug_file", "logfile"])
def test_a_file_for_messages_that_cannot_be_opened_costs_nothing_but_the_file(
    corosync: str, tmp_path: Path, option: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path, "Is a directory"),
        (tmp_path / "none/x", "No such file"),
        (tmp_path / "link", "link"),
        (tmp_path / "pipe", "No such device or address"),  # nobody reads it
    ):
        ended = agent(stdin=call(corosync, "action=list", f"{option}={path}", "verbose=1"))
        assert (ended.code, ended.out) == (0, "n1,\nn2,\nn3,\n")
        assert ended.err.startswith(f"option '{option}', value '{path}': no messages are written there: ")
        assert words in ended.err
        failed = agent(stdin=call(corosync, *FAILING, f"{option}={path}"))
        assert (failed.code, failed.out, failed.err) == (1, "", f"Failed: {GONE}: {NOT_THERE}\n")
        assert ended.seconds + failed.seconds < 5
    assert not (tmp_path / "precious").exists()


@pytest.mark.promise(6)
@pytest.mark.parametrize("option", ["debug_file", "logfile"])
def test_a_pipe_for_messages_that_nobody_empties_holds_nothing_up(corosync: str, tmp_path: Path, option: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    reading = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writing = os.open(tmp_path / "pipe", os.O_WRONLY | os.O_NONBLOCK)
    fill(writing)
    try:
        ended = agent(stdin=call(corosync, *FAILING, f"{option}={tmp_path / 'pipe'}", "verbose_level=2"))
    finally:
        os.close(reading)
        os.close(writing)
    assert ended.code == 1
    assert ended.seconds < 5


def fill(pipe: int) -> None:
    """Until it takes no more."""
    os.set_blocking(pipe, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(pipe, b"x" * size)
    os.set_blocking(pipe, True)


@pytest.mark.promise(6)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_caller_who_reads_nothing_is_not_waited_for(corosync: str, stream: str) -> None:
    reading, writing = os.pipe()
    fill(writing)
    try:
        for lines, code in (((*FAILING, "verbose_level=2"), 1), (("action=list",), 1 if stream == "stdout" else 0)):
            how: dict[str, Any] = {stream: writing}
            ended = agent(stdin=call(corosync, *lines), **how)
            assert ended.code == code
            assert ended.seconds < 5
    finally:
        os.close(reading)
        os.close(writing)


def test_a_logfile_takes_both_streams_and_answers_come_nevertheless(corosync: str, tmp_path: Path) -> None:
    """Pacemaker would take an empty list for no node."""
    file = tmp_path / "log"
    file.write_text("old")
    ended = agent(stdin=call(corosync, "action=list", f"logfile={file}"))
    assert (ended.code, ended.out, ended.err) == (0, "n1,\nn2,\nn3,\n", "")
    assert file.read_text() == "n1,\nn2,\nn3,\n"
    ended = agent(stdin=call(corosync, *FAILING, f"logfile={file}"))
    assert (ended.code, ended.out, ended.err) == (1, "", "")
    assert file.read_text() == f"Failed: {GONE}: {NOT_THERE}\n"


def closing(*streams: int) -> Callable[[], None]:
    """For subprocess: close these in the new process."""

    def close() -> None:
        for fd in streams:
            os.close(fd)

    return close


@pytest.mark.parametrize("streams", [(0,), (1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_standard_streams_cost_neither_the_answer_nor_a_file(
    corosync: str, tmp_path: Path, streams: tuple[int, ...]
) -> None:
    """dlm_controld closes them. The first file opened would take their place, and get what is printed."""
    file = tmp_path / "debug"
    common = ("-D", str(file), f"--corosync-conf={corosync}")
    failed = agent("-o", "off", "-n", "n2", "-d", GONE, *common, preexec_fn=closing(*streams))
    assert failed.code == 1
    listed = agent("-o", "list", *common, preexec_fn=closing(*streams))
    assert listed.code == 0
    lines = file.read_text().splitlines()
    assert lines
    assert all(STAMPED.match(line) for line in lines)
    if 2 not in streams:
        assert failed.err == f"Failed: {GONE}: {NOT_THERE}\n"
    if 1 not in streams:
        assert listed.out == "n1,\nn2,\nn3,\n"


def test_without_standard_input_nothing_is_done(tmp_path: Path) -> None:
    ended = agent(preexec_fn=closing(0), cwd=tmp_path)
    assert (ended.code, ended.err) == (1, MISSING_PLUG)


@pytest.mark.parametrize("action", ["metadata", "manpage"])
def test_a_document_that_nobody_can_read_is_a_failure(action: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert agent("-o", action, stdout=writing).code == 1
    finally:
        os.close(writing)
    with open("/dev/full", "wb") as full:
        ended = agent("-o", action, stdout=full)
    said = "Failed: what was asked for cannot be written to standard output; look at the caller\n"
    assert (ended.code, ended.err) == (1, said)


def test_a_failure_that_nobody_can_read_is_a_failure(corosync: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert agent(stdin=call(corosync, *FAILING), stderr=writing, stdout=writing).code == 1
    finally:
        os.close(writing)


@pytest.fixture
def trap(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with modules that leave a mark when they are imported, and the mark."""
    folder, mark = tmp_path / "trap", tmp_path / "sprung"
    (folder / "fence_pr").mkdir(parents=True)
    spring = f"open({str(mark)!r}, 'w').close()\nraise SystemExit(77)\n"
    for name in ("marshal", "os", "getopt", "syslog", "select", "struct", "sitecustomize", "usercustomize", "startup",
                 "traceback", "threading", "time", "fcntl", "codecs", "encodings", "fence_pr/__init__"):  # fmt: skip
        (folder / f"{name}.py").write_text(spring)
    return folder, mark


def test_the_environment_and_the_working_directory_have_no_influence(corosync: str, trap: tuple[Path, Path]) -> None:
    folder, mark = trap
    hostile = {
        "PATH": str(folder), "PYTHONPATH": str(folder), "PYTHONSTARTUP": str(folder / "startup.py"),
        "PYTHONHOME": str(folder), "PYTHONWARNINGS": "error", "PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2",
        "PYTHONUSERBASE": str(folder), "PYTHONIOENCODING": "ascii", "PYTHONVERBOSE": "1",
        "LC_ALL": "C", "LANG": "xx_XX", "HOME": str(folder), "TMPDIR": str(folder), "POSIXLY_CORRECT": "1",
    }  # fmt: skip
    for environment in (hostile, {}):
        how: dict[str, Any] = {"env": environment, "cwd": folder}
        shown = agent("-o", "metadata", **how)
        assert (shown.code, shown.out, shown.err) == (0, metadata.xml(), "")
        listed = agent(stdin=call(corosync, "action=list"), **how)
        assert (listed.code, listed.out, listed.err) == (0, "n1,\nn2,\nn3,\n", "")
        failed = agent("-o", "off", "-n", "n2", "-d", f"{GONE},/dev/null", f"--corosync-conf={corosync}", **how)
        assert failed.code == 1
        assert failed.err.count("\n") == 2
    assert not mark.exists()


@pytest.mark.parametrize("encoding", ["C", "POSIX", "C.UTF-8"])
def test_names_with_any_characters_come_back_as_they_were(corosync: str, encoding: str) -> None:
    device = b"/dev/\xc3\xb6\xff"
    ended = subprocess.run(
        [AGENT], input=call(corosync, "action=monitor") + b"devices=" + device, check=False, capture_output=True,
        env={"LC_ALL": encoding},
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr == b"Failed: " + device + f": {NOT_THERE}\n".encode()


def test_it_runs_from_anywhere_and_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "agent"
    link.symlink_to(AGENT)
    again = tmp_path / "again"
    again.symlink_to("agent")
    for executable in (link, again):
        ended = agent("-V", executable=executable, cwd="/")
        assert (ended.code, ended.out) == (0, f"fence_pr_ioctl {__version__}\n")


def test_an_unprivileged_user_gets_a_sentence_and_no_traceback() -> None:
    with public_copy() as copy:
        how: dict[str, Any] = {"executable": copy, "cwd": "/", **nobody()}
        failed = agent("-o", "off", "-n", "0x2", "-d", GONE, "--cluster-name=lab", **how)
        assert (failed.code, failed.out) == (1, "")
        assert failed.err == f"Failed: {GONE}: {NOT_THERE}\n"
        wrong = agent("-o", "offf", **how)
        assert (wrong.code, wrong.err) == (1, f"Failed: Unrecognised action 'offf' (did you mean 'off'?){NO_HINT}")


def test_standard_input_is_not_read_where_there_are_arguments() -> None:
    """Nobody may close it."""
    reading, writing = os.pipe()
    try:
        assert agent("-V", stdin=reading).seconds < 5
    finally:
        os.close(reading)
        os.close(writing)
