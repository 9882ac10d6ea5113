"""The agent in hostile surroundings: a right answer or a clear error, nothing executed, no file of others changed."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tried
from tests.inputs.start import How, agent, no_namespaces
from tests.inputs.surroundings import (
    CALLS,
    FRIENDLY,
    GONE,
    REFUSED,
    SURROUNDINGS,
    Scene,
    Surrounding,
    folder,
    of_an_ordinary_user,
)
from tests.lab.plugin import not_covered
from tests.model.node import conf
from tests.unit.process import AGENT, nobody, public_copy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user can reach."""
    with folder() as made:
        yield made


@pytest.mark.parametrize("by_arguments", [False, True])
def test_friendly_surroundings_give_the_answers_that_hostile_ones_are_measured_by(
    place: Path, by_arguments: bool
) -> None:
    scene = Scene(place)
    for name, call in CALLS.items():
        ended = agent({"corosync_conf": str(scene.conf), **call}, How(by_arguments=by_arguments), place)
        assert FRIENDLY[name].fits(ended), ended


@pytest.mark.promise(5, 8, 10)
@pytest.mark.parametrize("surrounding", SURROUNDINGS, ids=lambda it: it.name)
def test_hostile_surroundings_cost_no_right_answer(
    surrounding: Surrounding, place: Path, request: pytest.FixtureRequest
) -> None:
    with folder() as other:
        if surrounding.needs_namespace(other) and no_namespaces():
            not_covered(no_namespaces())
    tried.count(request.node, tried.CALLS, surrounding.try_all(place))


@pytest.mark.promise(5, 8, 10)
def test_an_ordinary_user_gets_right_answers(place: Path, request: pytest.FixtureRequest) -> None:
    with of_an_ordinary_user() as surroundings:
        for number, surrounding in enumerate(surroundings):
            (place / str(number)).mkdir(mode=0o755)
            tried.count(request.node, tried.CALLS, surrounding.try_all(place / str(number)))


def test_a_trap_would_be_seen(place: Path) -> None:
    scene = Scene(place)
    assert scene.untouched()
    how = {"PATH": str(scene.traps), "PYTHONPATH": str(scene.traps)}
    assert subprocess.run(["/usr/bin/python3", "-c", "import getopt"], check=False, env=how).returncode != 0
    assert not scene.untouched()


def test_a_wrong_answer_would_be_seen(place: Path) -> None:
    with pytest.raises(AssertionError, match="metadata"):
        Surrounding("no interpreter", lambda _: How(executable=Path("/bin/false"))).try_all(place)


@pytest.mark.promise(6)
def test_a_log_daemon_that_takes_no_messages_costs_a_second_and_no_more(place: Path) -> None:
    if no_namespaces():
        not_covered(no_namespaces())
    (stuck,) = [it for it in SURROUNDINGS if it.name == "a log daemon that takes no messages"]
    scene = Scene(place)
    devices = ",".join(f"{GONE}{number}" for number in range(20))
    ended = agent({**CALLS["off"], "corosync_conf": str(scene.conf), "devices": devices}, stuck.make(scene), place)
    assert (ended.code, ended.err.count("\n")) == (1, 20)
    assert ended.seconds < 10


@pytest.mark.parametrize(("kind", "end"), [(socket.SOCK_DGRAM, b""), (socket.SOCK_STREAM, b"\0")])
def test_a_log_daemon_gets_one_line_a_message(place: Path, kind: int, end: bytes) -> None:
    if no_namespaces():
        not_covered(no_namespaces())
    (plain,) = [it for it in SURROUNDINGS if it.name == "no syslog"]
    with socket.socket(socket.AF_UNIX, kind) as listening:
        listening.bind(str(place / "log"))
        if kind == socket.SOCK_STREAM:
            listening.listen()
        scene = Scene(place)
        mounts = f"{plain.make(scene).mounts}; ln -s {place}/log /dev/log"
        call = {**CALLS["off"], "corosync_conf": str(scene.conf), "devices": f"{GONE}\x1b[1m\x07ö"}
        assert agent(call, How(mounts=mounts), place).code == 1
        source = listening.accept()[0] if kind == socket.SOCK_STREAM else listening
        with source:
            received = source.recv(9999)
    text = rf"<27>\w{{3}} [ \d]\d \d\d:\d\d:\d\d fence_pr_ioctl\[\d+\]: Failed: {GONE}\\x1b\[1m\\x07ö: no .*"
    assert re.fullmatch(text.encode() + end, received), received


ENDLESS = "more than 1048576 bytes"


@pytest.mark.promise(8)
@pytest.mark.parametrize(
    ("path", "words"),
    [("/dev/zero", ENDLESS), ("/dev/full", ENDLESS), ("/proc/self/mem", "Input/output error")],
)
def test_a_strange_standard_input_is_refused(path: str, words: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        done = subprocess.run([AGENT], check=False, stdin=fd, capture_output=True, text=True, timeout=60)
    finally:
        os.close(fd)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        ("Failed: option 'standard input', value '", "Failed: standard input cannot be read: ")
    )
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.promise(8)
def test_a_folder_as_standard_input_is_refused_by_the_interpreter() -> None:
    fd = os.open("/", os.O_RDONLY)
    try:
        done = subprocess.run([AGENT], check=False, stdin=fd, capture_output=True, text=True, timeout=60)
    finally:
        os.close(fd)
    assert (done.returncode, done.stdout) == (1, "")
    assert "<stdin> is a directory" in done.stderr


@pytest.mark.promise(8)
def test_a_standard_input_that_has_nothing_yet_and_does_not_wait_is_refused() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        done = subprocess.run([AGENT], check=False, stdin=reading, capture_output=True, text=True, timeout=60)
    finally:
        os.close(reading)
        os.close(writing)
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be read: Resource temporarily unavailable" in done.stderr


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "no cluster name in corosync.conf"),
        (lambda path: path.symlink_to("/dev/zero"), "File too large"),
        (lambda path: path.symlink_to("/dev/null"), "no cluster name in corosync.conf"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"totem {\n" * 200_000), "File too large"),
        (lambda path: path.write_bytes(os.urandom(1000)), "no cluster name in corosync.conf"),
    ],
    ids=["a pipe", "without end", "nothing", "a loop", "a folder", "large", "noise"],
)
def test_something_strange_in_place_of_corosync_conf_is_named_at_once(place: Path, make: object, words: str) -> None:
    path = place / "corosync.conf"
    assert callable(make)
    make(path)
    ended = agent({**CALLS["off"], "corosync_conf": str(path)}, How(), place)
    assert (ended.code, ended.out) == (1, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert ended.seconds < 15, "the time limit is 20 seconds"
    path.unlink() if not path.is_dir() else path.rmdir()
    conf(place)
    assert FRIENDLY["off"].fits(agent({**CALLS["off"], "corosync_conf": str(path)}, How(), place))


def test_a_corosync_conf_that_the_user_may_not_read_is_named(place: Path) -> None:
    path = conf(place)
    path.chmod(0)
    with public_copy() as copy:
        ended = agent(
            {**CALLS["list"], "corosync_conf": str(path)}, How(user=nobody(), executable=copy, cwd="/"), place
        )
    assert (ended.code, ended.out, ended.err) == (
        1,
        "",
        f"Failed: {path} cannot be read: Permission denied; fix the file\n",
    )


def test_texts_are_utf8_whatever_the_locale_says() -> None:
    """With another character set of the caller's, the names of devices and files would be other names.

    Debian makes such locales only on demand. In C.UTF-8 the interpreter's own UTF-8 mode is off unless it is asked for.
    """
    first = AGENT.read_text().partition("\n")[0]
    command = [*shlex.split(first.removeprefix("#!")), "-c", "import sys; print(sys.flags.utf8_mode)"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C.UTF-8"})
    assert done.stdout == "1\n"


HOSTILE_NAMES = (
    "$(: > {mark})", "`: > {mark}`", "; : > {mark} #", "| tee {mark}", "> {mark}", "'; : > {mark} '",
    'a"$(: > {mark})"', ".*", "n[12]", "(n1|n2)", "^n1$", "\\", "*", "?", "~", "!!", "%s%n", "$PATH", "-o",
    "--action=off", "n1 n2", "é", "日本", "\U0001f4a9", "n\u202e1", "\u0430dmin",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_means_nothing_but_itself(place: Path, name: str) -> None:
    scene = Scene(place)
    name = name.format(mark=scene.mark)
    call = {"corosync_conf": str(conf(place, ("n1", name)))}
    listed = agent({**call, "action": "list"}, How(), place)
    assert (listed.code, listed.out) == (0, f"n1,\n{name},\n")
    failed = agent({**call, "action": "off", "plug": name, "devices": GONE}, How(), place)
    assert (failed.code, failed.err) == (1, REFUSED), "a node of that name is known"
    other = agent({**call, "action": "off", "plug": f"{name}x", "devices": GONE}, How(by_arguments=True), place)
    assert other.code == 1
    assert f"node {name}x: {'an address names no node' if ':' in name else 'not known'}" in other.err
    assert scene.untouched()


@pytest.mark.promise(5, 8)
def test_a_name_with_line_ends_gives_one_line(place: Path) -> None:
    call = {**CALLS["off"], "corosync_conf": str(conf(place)), "plug": "x\nFailed; y\u2028z\x1b[2J"}
    ended = agent(call, How(by_arguments=True), place)
    assert ended.code == 1
    assert ended.err == (
        "Failed: node x\\x0aFailed; y\\u2028z\\x1b[2J: not known (n1, n2, n3);"
        " check the spelling, or name it in other_nodes\n"
    )


LONG = {
    "one line": b"plug=" + b"n" * 1_000_000 + b"\n",
    "one name": b"action=list\n" + b"x" * 1_000_000 + b"=1\n",
    "one action": b"action=" + b"x" * 1_000_000 + b"\n",
    "devices": b"action=off\nplug=n2\ndevices=" + b",".join(b"/%x" % number for number in range(120_000)) + b"\n",
    "device": b"action=off\nplug=n2\ndevices=/" + b"x" * 1_000_000 + b"\n",
    "wwid": b"action=off\nplug=n2\ndevices=" + b"f" * 1_000_000 + b"\n",
    "options": b"action=off\nplug=n2\ndevices=/dev/zero\n" + b"".join(b"%x=\n" % number for number in range(100_000)),
}


@pytest.mark.promise(5, 6, 8)
@pytest.mark.parametrize("name", LONG)
def test_a_megabyte_of_input_hangs_nothing_and_floods_nobody(place: Path, name: str) -> None:
    data = f"corosync_conf={conf(place)}\n".encode() + LONG[name]
    started = time.monotonic()
    done = subprocess.run([AGENT], check=False, input=data, capture_output=True, timeout=60)
    assert done.returncode == (0 if name == "one name" else 1)
    assert len(done.stderr) < 30_000
    assert done.stderr.count(b"\n") == (0 if name == "one name" else 1)
    assert b"Traceback" not in done.stderr
    assert time.monotonic() - started < 30
