"""Every hostile surrounding with what the agent must answer in it: the same as in friendly ones, or a clear error."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fence_pr import metadata
from tests.inputs import inside, traps
from tests.inputs.start import How, agent
from tests.model.node import conf
from tests.unit.process import NO_HINT, Ended, nobody, public_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GONE = "/dev/fence_pr_ioctl_none"
REFUSED = f"Failed: {GONE}: no such device; check its name, and the connection to the storage\n"
UNWRITABLE = "Failed: what was asked for cannot be written to standard output; look at the caller\n"
NO_PROCESS = "Failed: cannot start the process that works on the disks: .*\n"


@dataclass(frozen=True)
class Expected:
    """Exit code, and patterns for all of standard output and standard error."""

    code: int
    out: str = ""
    err: str = ""

    def fits(self, ended: Ended) -> bool:
        """Whether the process ended so."""
        patterns = ((self.out, ended.out), (self.err, ended.err))
        return ended.code == self.code and all(re.fullmatch(pattern, text, re.DOTALL) for pattern, text in patterns)


CALLS = {
    "metadata": {"action": "metadata"},
    "list": {"action": "list"},
    "refused": {"action": "offf", "plug": "n2", "devices": GONE},
    "off": {"action": "off", "plug": "n2", "devices": GONE},
}
FRIENDLY = {
    "metadata": Expected(0, re.escape(metadata.xml())),
    "list": Expected(0, "n1,\nn2,\nn3,\n"),
    "refused": Expected(1, "", re.escape(f"Failed: Unrecognised action 'offf' (did you mean 'off'?){NO_HINT}")),
    "off": Expected(
        1, "", re.escape(f"Failed: {GONE}: no such device; check its name, and the connection to the storage\n")
    ),
}


class Scene:
    """A folder with a corosync.conf, traps that leave a mark when anything of theirs runs, and a precious file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = conf(folder)
        self.mark, self.precious, self.traps = folder / "sprung", folder / "precious", folder / "traps"
        self.precious.write_text("precious")
        traps.make(self.traps, self.mark)

    def untouched(self) -> bool:
        """Whether nothing was executed and nothing overwritten."""
        return not self.mark.exists() and self.precious.read_text() == "precious"


@dataclass(frozen=True)
class Surrounding:
    """name: a sentence's beginning; expected: by call, where it is not what it is in friendly surroundings."""

    name: str
    make: Callable[[Scene], How]
    expected: dict[str, Expected] = field(default_factory=dict)
    after: Callable[[Scene], bool] = lambda _scene: True
    repeat: int = 1

    def try_all(self, folder: Path) -> int:
        """Make every call in these surroundings; how many. Raises AssertionError."""
        scene = Scene(folder)
        how = self.make(scene)
        for _ in range(self.repeat):
            for name, call in CALLS.items():
                ended = agent({"corosync_conf": str(scene.conf), **call}, how, folder)
                expected = self.expected.get(name, FRIENDLY[name])
                seen = f"{ended.code} {ended.out[:200]!r} {ended.err[:500]!r}"
                assert expected.fits(ended), f"{self.name}: {name}: {seen}"
        assert scene.untouched(), f"{self.name}: something was executed or overwritten"
        assert self.after(scene), f"{self.name}: the files it left are not as they should be"
        return self.repeat * len(CALLS)

    def needs_namespace(self, folder: Path) -> bool:
        """Whether a mount namespace is needed for it."""
        return bool(self.make(Scene(folder)).mounts)


def limited(kind: int, value: int) -> Callable[[], None]:
    """For `How.before`: a resource limit."""
    return lambda: resource.setrlimit(kind, (value, value))


def _trapped_environment(scene: Scene) -> How:
    return How(env=traps.environment(str(scene.traps)), cwd=scene.traps)


def _junk_environment(_: Scene) -> How:
    return How(
        env={b"\xff\xfe": b"\xff", b"LC_ALL": b"xx_\xff.KLINGON", b"LANG": b"tr_TR.ISO-8859-9", b"TZ": b":/etc/passwd",
             b"BIG": b"x" * 100_000, b"LANGUAGE": b"%s%n", b"MALLOC_ARENA_MAX": b"-1", b"COLUMNS": b"\n"}
    )  # fmt: skip


def _no_library(scene: Scene) -> How:
    for name in ("libc.so.6", "libm.so.6"):
        (scene.traps / name).write_text("no library")
    return How(env={"LD_LIBRARY_PATH": str(scene.traps)})


def _gone_folder(scene: Scene) -> How:
    folder = scene.folder / "gone"

    def leave() -> None:
        folder.mkdir()
        os.chdir(folder)
        os.rmdir(folder)

    return How(before=leave)


def _odd_folder(scene: Scene) -> How:
    folder = scene.folder / "a\nb $(reboot) \udcff"
    folder.mkdir()
    return How(cwd=folder)


def _masked(mask: int) -> Callable[[Scene], How]:
    return lambda scene: How(before=lambda: os.umask(mask), options={"debug_file": str(scene.folder / "debug")})


def _debug_file_is_private(scene: Scene) -> bool:
    file = scene.folder / "debug"
    return file.stat().st_mode & 0o777 == 0o600 and "no such device" in file.read_text()


def _reader_gone() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def _block_all() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def _on_full_disk(option: str) -> Callable[[Scene], How]:
    fill = "mkdir -p $DIR/full; mount -t tmpfs -o size=4k,mode=777 none $DIR/full; : > $DIR/full/log;"
    fill += " head -c 9999 /dev/zero > $DIR/full/filler 2> /dev/null || :"
    return lambda scene: How(mounts=fill, options={option: str(scene.folder / "full/log")})


def _pipe_for(option: str) -> Callable[[Scene], How]:
    def make(scene: Scene) -> How:
        os.mkfifo(scene.folder / "pipe")
        return How(options={option: str(scene.folder / "pipe")})

    return make


# /dev with nothing but what is named here; `null` stays the real one.
_EMPTY_DEV = "touch $DIR/null; mount --bind /dev/null $DIR/null; mount -t tmpfs none /dev"
_DEV = f"{_EMPTY_DEV}; touch /dev/null; mount --bind $DIR/null /dev/null"
_FULL_RUN = "mount -t tmpfs -o size=4k none /run; { head -c 9999 /dev/zero > /run/x; } 2> /dev/null || :"
# The whole tree but for /run, to change into.
NO_RUN = (
    "mkdir -p $DIR/root; mount -t tmpfs none $DIR/root;"
    ' for it in /*; do if [ -L "$it" ]; then cp -a "$it" $DIR/root; elif [ "$it" != /run ] && [ -d "$it" ]; then'
    ' mkdir "$DIR/root$it"; mount --rbind "$it" "$DIR/root$it"; fi; done; IN="chroot $DIR/root"'
)


def _stuck_log(scene: Scene) -> How:
    """A log daemon that has stopped taking messages."""
    path = str(scene.folder / "log")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(path)
    _kept_open.append(listening)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.connect(path)
        sending.setblocking(False)
        try:
            while True:
                sending.send(b"x")
        except BlockingIOError:
            pass
    return How(mounts=f"{_DEV}; ln -s {path} /dev/log", options={"power_timeout": "20"})


_kept_open: list[socket.socket] = []


def _mounted(commands: str) -> Callable[[Scene], How]:
    return lambda _scene: How(mounts=commands)


def _before(function: Callable[[], object]) -> Callable[[Scene], How]:
    return lambda _scene: How(before=function)


_LOADER = "ERROR: ld.so: object '/none.so' from LD_PRELOAD cannot be preloaded .*: ignored\\.\n"
_TOO_SHORT = Expected(127, "", "/usr/bin/python3: error while loading shared libraries: .*\n")


SURROUNDINGS = (
    Surrounding("a folder and an environment full of traps", _trapped_environment),
    Surrounding("an environment of junk", _junk_environment),
    Surrounding("no environment", lambda _: How(env={})),
    Surrounding(
        "a library to preload that is not there",
        lambda _: How(env={"LD_PRELOAD": "/none.so"}),
        # The dynamic loader says so itself, before the agent begins, and goes on.
        {name: Expected(it.code, it.out, _LOADER + it.err) for name, it in FRIENDLY.items()},
    ),
    # The dynamic loader ends the process: neither success (0) nor "off" (2).
    Surrounding("a C library that is none", _no_library, dict.fromkeys(CALLS, _TOO_SHORT)),
    Surrounding("a current folder that is gone", _gone_folder),
    Surrounding("a current folder with an odd name", _odd_folder),
    Surrounding("a mask that forbids nothing", _masked(0), after=_debug_file_is_private),
    Surrounding("a mask that forbids everything", _masked(0o777), after=_debug_file_is_private),
    Surrounding("fifteen hundred open files", lambda _: How(before=inside.open_many, keep_open=True)),
    Surrounding(
        "a full disk behind standard output",
        lambda _: How(stdout=lambda: os.open("/dev/full", os.O_WRONLY)),
        {name: Expected(1, "", UNWRITABLE) for name in ("metadata", "list")},
    ),
    Surrounding(
        "a reader of standard output that is gone",
        lambda _: How(stdout=_reader_gone),
        {name: Expected(1, "", UNWRITABLE) for name in ("metadata", "list")},
    ),
    # The child's end and the parent's looking for it race: several times.
    Surrounding(
        "a caller that ignores the end of children",
        _before(inside.ignore_children),
        repeat=6,
    ),
    Surrounding("all signals blocked", _before(_block_all)),
    Surrounding("just enough descriptors", _before(limited(resource.RLIMIT_NOFILE, 8))),
    Surrounding(
        "hardly any descriptors",
        _before(limited(resource.RLIMIT_NOFILE, 4)),
        {name: Expected(1, "", NO_PROCESS) for name in ("list", "off")},
    ),
    Surrounding("files of no length", _before(limited(resource.RLIMIT_FSIZE, 0))),
    Surrounding("little memory", _before(limited(resource.RLIMIT_AS, 128 << 20))),
    Surrounding("a small stack", _before(limited(resource.RLIMIT_STACK, 256 << 10))),
    Surrounding("no /run", _mounted(NO_RUN)),
    Surrounding("an empty /run", _mounted("mount -t tmpfs none /run")),
    Surrounding("a read-only /run", _mounted("mount -t tmpfs -o ro none /run")),
    Surrounding("a full /run", _mounted(_FULL_RUN)),
    Surrounding("no /proc", _mounted("mount -t tmpfs none /proc")),
    Surrounding("no /sys", _mounted("mount -t tmpfs none /sys")),
    Surrounding(
        "an empty /dev",
        _mounted(_EMPTY_DEV),
        {name: Expected(1, "", NO_PROCESS) for name in ("list", "off")},
    ),
    Surrounding("a folder in place of /dev/null", _mounted(f"{_EMPTY_DEV}; mkdir /dev/null"),
                {name: Expected(1, "", NO_PROCESS) for name in ("list", "off")}),
    Surrounding("a file in place of /dev/null", _mounted(f"{_EMPTY_DEV}; echo x > /dev/null")),
    Surrounding("no syslog", _mounted(_DEV)),
    Surrounding("a folder in place of /dev/log", _mounted(f"{_DEV}; mkdir /dev/log")),
    Surrounding("a file in place of /dev/log", _mounted(f"{_DEV}; ln -s $DIR/precious /dev/log")),
    Surrounding("a log daemon that takes no messages", _stuck_log),
    Surrounding("a full disk for the debug file", _on_full_disk("debug_file")),
    Surrounding(
        "a full disk for the log file",
        _on_full_disk("logfile"),
        {"off": Expected(1)},
    ),
    Surrounding("a pipe for the debug file", _pipe_for("debug_file")),
    Surrounding("a pipe for the log file", _pipe_for("logfile")),
)  # fmt: skip


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory(prefix="fence_pr-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@contextmanager
def of_an_ordinary_user() -> Iterator[tuple[Surrounding, ...]]:
    """Surroundings that belong to a user who is not root; the agent is where that user can read it."""
    with public_copy() as copy, folder() as closed:
        closed.chmod(0)

        def made(**how: Any) -> Callable[[Scene], How]:
            return lambda _scene: How(user=nobody(), executable=copy, **how)

        yield (
            Surrounding("an ordinary user", made(cwd="/", env={})),
            Surrounding(
                "a user who may have no more processes",
                made(cwd="/", before=limited(resource.RLIMIT_NPROC, 0)),
                {name: Expected(1, "", NO_PROCESS) for name in ("list", "off")},
            ),
            # The folder is entered before the user is changed.
            Surrounding("a current folder that the user may not read", made(cwd="/" if os.geteuid() else closed)),
        )
