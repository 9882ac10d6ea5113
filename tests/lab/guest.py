"""One user-mode-Linux guest, as the host sees it: boot it, run commands in it and its nodes, end it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
import tty
from concurrent.futures import wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from tests.lab import cache
from tests.lab.errors import CommandFailed, CommandTimedOut, GuestLost, LabUnavailable, RequestFailed
from tests.lab.inside import layout, slow
from tests.lab.lines import Lines
from tests.lab.root import write_byte_code

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from tests.lab.kernels import Kernel
    from tests.lab.lines import Answer

PROJECT = Path(__file__).resolve().parent.parent.parent
LOGS = PROJECT / "test-logs"
# A folder that a guest may write to, for `tests.covered`: named in the environment, and where the guest has it.
LINES, LINES_INSIDE = "FENCE_PR_LINES", "/lines"
PROMPT = r"(guest|n\d)# "
STARTED = "Run /first as init process"
BOOT_SECONDS = 60.0
CALL_SECONDS = 30.0
NUDGE_SECONDS = 1.0
ANSWER_SECONDS = 10.0  # beyond the time-out of a command, for the guest to kill it and say so
TAIL_BYTES = 4000
PANIC = "Kernel panic"

_guests = itertools.count(1)
_commands = itertools.count(1)
# Of this process, those into whose end nobody has looked yet.
_booted: list[Guest] = []


@dataclass(frozen=True)
class Completed:
    """A command that ended by itself: `returncode` is minus the signal's number if a signal ended it."""

    argv: list[str]
    returncode: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float

    @property
    def stdout(self) -> str:
        """Standard output as text."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Standard error as text."""
        return self.stderr_bytes.decode(errors="replace")


@dataclass
class Running:
    """A command that has been started in a guest."""

    guest: Guest
    node: str | None
    argv: list[str]
    timeout: float
    tag: str
    future: Future[Answer] = field(repr=False)

    def done(self) -> bool:
        """Whether it has ended."""
        return self.future.done()

    def wait(self) -> Completed:
        """Its end; raises CommandTimedOut, GuestLost."""
        where = self.guest.where(self.node)
        said = self.guest.result(self.future, where, f"run {self.argv}", self.timeout + ANSWER_SECONDS)
        out, err = (base64.b64decode(said[name]) for name in ("stdout", "stderr"))
        if said["timed_out"]:
            so_far = [each.decode(errors="replace") for each in (out, err)]
            raise CommandTimedOut(where, self.argv, self.timeout, so_far[0], so_far[1], said["gone"])
        return Completed(self.argv, said["returncode"], out, err, said["seconds"])

    def signal(self, number: int = signal.SIGKILL, *, group: bool = False) -> bool:
        """Send a signal to it (or to its whole process group); False if it has ended."""
        sent: bool = self.guest.call("send_signal", self.node, tag=self.tag, number=number, group=group)
        return sent


class Guest:
    """A guest with a service for itself (node None) and one for each of its nodes."""

    def __init__(
        self,
        kernel: Kernel,
        root: Path,
        *,
        nodes: Sequence[str] = layout.NODES,
        memory_mib: int = 384,
        arguments: Sequence[str] = (),
        links: Sequence[socket.socket] = (),
        logs: Path | None = None,
    ) -> None:
        """Nothing happens until `boot`.

        `arguments` go on the kernel's command line; each of `links`, one end of a pair of sockets that keep packets
        apart, becomes a network interface vec0, vec1, ... and is the guest's from `boot` on; `logs` is `log_folder()`.
        """
        self.kernel = kernel
        self.nodes = tuple(nodes)
        self.name = f"linux-{kernel.label}-{os.getpid()}-{next(_guests)}"
        self.log = (logs or log_folder()) / f"{time.strftime('%Y%m%d-%H%M%S')}-{self.name}" / "console.log"
        self.boot_seconds = 0.0
        self.frozen = False
        self._root = root
        self._memory_mib = memory_mib
        self._arguments = arguments
        self._links = links
        self._lines = Lines(1 + len(self.nodes))
        self._console_fd = -1
        self._keeper: subprocess.Popen[bytes] | None = None
        self._folder = Path()

    def __enter__(self) -> Guest:
        self.boot()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def boot(self) -> None:
        """Start the kernel and wait until all services answer; raises GuestLost, LabUnavailable."""
        write_byte_code(self._root, PROJECT)
        started = time.monotonic()
        memory = _memory_folder(self._memory_mib)
        self.log.parent.mkdir(parents=True)
        _booted.append(self)
        self._folder = Path(tempfile.mkdtemp(prefix="fence_pr_lab-"))
        self._console_fd, console = os.openpty()
        tty.setraw(console)
        ends = [end.fileno() for end in self._lines.guest_ends]
        links = [end.fileno() for end in self._links]
        keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), str(self._folder)]
        with self.log.open("ab") as log:
            self._keeper = subprocess.Popen(
                [*keeper, *self._command(ends, console)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.kernel.folder,
                env={"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(memory)},
                pass_fds=(*ends, *links, console),
                start_new_session=True,
            )
        os.close(console)
        for link in self._links:
            link.close()
        self._lines.close_guest_ends()
        self._lines.start(self._keeper.pid)
        self._wait_for_services()
        self.boot_seconds = time.monotonic() - started

    def _wait_for_services(self) -> None:
        try:
            for name, future in zip((None, *self.nodes), self._lines.ready):
                self._wait(future, f"boot, by the service of {self.where(name)}", BOOT_SECONDS)
        except GuestLost as lost:
            self.stop()
            if STARTED in self.log.read_text(errors="replace"):
                raise
            # It is not for the guest: the kernel did not get as far as its first process.
            raise LabUnavailable(f"user-mode Linux {self.kernel.release} does not start here: {lost}") from lost

    def stop(self) -> None:
        """End the guest with all its processes. Nothing of it is left but the log."""
        if self._keeper is None:
            return
        # To close it is not enough: a process that was forked here meanwhile may have it open as well.
        with contextlib.suppress(BrokenPipeError):
            self._keeper.communicate(b"end")
        self._keeper = None
        os.close(self._console_fd)

    def freeze(self) -> None:
        """Stop the guest's clock and everything in it, as when a hypervisor pauses a machine, until `thaw`."""
        os.kill(self._kernel_pid(), signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """End `freeze`: everything goes on where it was."""
        os.kill(self._kernel_pid(), signal.SIGCONT)
        self.frozen = False

    def alive(self) -> bool:
        """Whether the guest runs."""
        return self._keeper is not None and self._keeper.poll() is None

    def assert_not_died(self) -> None:
        """Raise GuestLost if it has ended by itself."""
        if self._keeper is not None and not self.alive():
            self._lost("has ended by itself")

    def processor_seconds(self) -> float:
        """What the guest has cost this machine so far, without those of its processes that have ended.

        The guest's own clock of processor time goes in steps of 10 ms, and goes on while this machine does other work.
        """
        return sum(map(_nanoseconds, _family(self._kernel_pid()))) / 1e9

    def run(
        self,
        argv: Sequence[str],
        node: str | None = None,
        *,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        timeout: float = CALL_SECONDS,
        check: bool = False,
    ) -> Completed:
        """Run a command in a node (or in the guest itself) and wait for its end.

        After `timeout` seconds its process group is killed and CommandTimedOut raised. `check` turns an exit status
        other than 0 into CommandFailed.
        """
        done = self.start(argv, node, stdin=stdin, env=env, cwd=cwd, timeout=timeout).wait()
        if check and done.returncode:
            raise CommandFailed(self.where(node), done.argv, done)
        return done

    def start(
        self,
        argv: Sequence[str],
        node: str | None = None,
        *,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        timeout: float = CALL_SECONDS,
    ) -> Running:
        """Start a command; arguments as for `run`."""
        tag = f"command {next(_commands)}"
        data = stdin.encode() if isinstance(stdin, str) else stdin
        words = [str(word) for word in argv]
        arguments = {
            "argv": words,
            "stdin": base64.b64encode(data).decode(),
            "env": dict(env or {}),
            "cwd": cwd,
            "timeout": timeout,
            "tag": tag,
        }
        future = self._request("run", node, arguments)
        return Running(self, node, words, timeout, tag, future)

    def call(self, name: str, node: str | None = None, /, *, seconds: float = CALL_SECONDS, **arguments: Any) -> Any:
        """Call one of the lab's own functions in the guest; raises RequestFailed, GuestLost."""
        return self.result(self._request(name, node, arguments), self.where(node), name, seconds)

    def result(self, future: Future[Answer], where: str, what: str, seconds: float) -> Any:
        """The answer to a request, within `seconds`; raises RequestFailed, GuestLost."""
        answer = self._wait(future, f"{where}: {what}", seconds)
        if "error" in answer:
            raise RequestFailed(where, what, **answer["error"])
        return answer["result"]

    def where(self, node: str | None) -> str:
        """How messages name the guest or a node of it."""
        return f"{self.name}/{node}" if node else self.name

    def console(self, rows: int = 24, columns: int = 120) -> tuple[int, Future[Answer]]:
        """Start a root shell on the console: a descriptor of the host's end of its terminal, and the shell's end.

        The shell's prompt is PROMPT; in it, `n1` is a command that opens a shell in node n1.
        """
        return self._console_fd, self._request("console", None, {"rows": rows, "columns": columns})

    def log_tail(self) -> str:
        """The end of what the guest's kernel and services said."""
        with self.log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log.read().decode(errors="replace")

    def _kernel_pid(self) -> int:
        assert self._keeper
        return _children(Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}"))[0]

    def _processes(self) -> str:
        """What each process of the guest does on this machine, for a person who wonders why it is silent."""
        if not self.alive():
            return "it has ended"
        return "\n".join(map(_standing, _family(self._kernel_pid())))

    def _request(self, name: str, node: str | None, arguments: dict[str, Any]) -> Future[Answer]:
        line = self.nodes.index(node) + 1 if node else 0
        return self._lines.request(line, name, arguments, spill=self._folder)

    def _wait(self, future: Future[Answer], what: str, seconds: float) -> Answer:
        until = time.monotonic() + seconds
        while not wait([future], min(NUDGE_SECONDS, max(0.0, until - time.monotonic()))).done:
            if time.monotonic() >= until:
                self._lost(f"no answer within {seconds} s to: {what}\n{self._processes()}")
            self._lines.nudge()
        try:
            return future.result()
        except ConnectionError:
            self._lost(f"ended during: {what}")

    def _lost(self, what: str) -> NoReturn:
        raise GuestLost(self.name, what, self.log, self.log_tail())

    def _command(self, line_fds: Sequence[int], console_fd: int) -> list[str]:
        """The kernel's command line. What the kernel does not know becomes the environment of process 1."""
        return [
            "./linux",
            f"mem={self._memory_mib}M",
            "root=/dev/root",
            "rootfstype=hostfs",
            _assignment("rootflags", str(self._root)),
            "ro",
            "con=null",
            "con0=null,fd:2",
            f"con1=fd:{console_fd}",
            "ssl=null",
            *(f"ssl{number}=fd:{fd}" for number, fd in enumerate(line_fds)),
            _assignment("uml_dir", str(self._folder)),
            "umid=uml",
            # Since Linux 6.16: system calls of the guest cost half.
            "seccomp=auto",
            "printk.time=1",
            f"brd.rd_nr={len(slow.DISKS)}",
            f"brd.rd_size={layout.DISK_MIB << 10}",
            "init=/first",
            _assignment("LAB_PROJECT", str(PROJECT)),
            _assignment("LAB_HOST", str(self._folder)),
            *(
                [_assignment("LAB_MODULES", str(modules))]
                if (modules := self.kernel.folder / "modules").is_dir()
                else []
            ),
            *([_assignment("LAB_LINES", lines)] if (lines := os.environ.get(LINES, "")) else []),
            f"LAB_NODES={','.join(self.nodes)}",
            *(f"vec{number}:transport=fd,fd={link.fileno()}" for number, link in enumerate(self._links)),
            *self.kernel.arguments,
            *self._arguments,
        ]


def panics() -> list[GuestLost]:
    """The guests of this process whose kernel has panicked since this was asked last."""
    ended = [guest for guest in _booted if not guest.alive()]
    found = []
    for guest in ended:
        _booted.remove(guest)
        said = guest.log.read_text(errors="replace") if guest.log.exists() else ""
        if PANIC in said:
            found.append(GuestLost(guest.name, said[said.index(PANIC) :].split("\n")[0], guest.log, guest.log_tail()))
    return found


def log_folder() -> Path:
    """Where guests' logs are kept: in the project, or in the cache if the project belongs to somebody else."""
    return LOGS if os.access(LOGS if LOGS.exists() else PROJECT, os.W_OK) else cache.folder() / "logs"


def _family(process: int) -> list[Path]:
    """All threads of a process and its descendants, as folders of /proc."""
    threads = [*Path(f"/proc/{process}/task").glob("*")]
    return [*threads, *(thread for parent in threads for child in _children(parent) for thread in _family(child))]


def _children(thread: Path) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in (thread / "children").read_text().split()]
    return []


def _standing(thread: Path) -> str:
    """A thread's number, its state, where in the kernel it waits, and the system call that it is in."""
    said = [f"thread {thread.name}:"]
    for name in ("stat", "wchan", "syscall"):
        with contextlib.suppress(OSError):
            text = (thread / name).read_text()
            said.append(text.rpartition(")")[2].split()[0] if name == "stat" else text.strip())
    return " ".join(said)


def _nanoseconds(thread: Path) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int((thread / "schedstat").read_text().split()[0])
    return 0


def _assignment(name: str, value: str) -> str:
    """One word of a kernel's command line, which is one string: blanks need quotes, and quotes cannot be quoted."""
    if '"' in value or "\n" in value:
        raise LabUnavailable(f"the lab cannot work in a folder with a quotation mark in its name: {value}")
    return f'{name}="{value}"' if " " in value else f"{name}={value}"


def _memory_folder(mib: int) -> Path:
    """Where a guest's memory, an unlinked sparse file, may lie: in memory if there is room for it."""
    for folder in (Path("/dev/shm"), Path(tempfile.gettempdir()), Path.home()):
        with contextlib.suppress(OSError):
            about = os.statvfs(folder)
            # The kernel maps the file as code, too.
            if os.access(folder, os.W_OK) and not about.f_flag & os.ST_NOEXEC and _free_mib(about) > mib:
                return folder
    raise LabUnavailable(f"no folder with {mib} MiB of room for a guest's memory (/dev/shm, the temporary folder)")


def _free_mib(about: os.statvfs_result) -> int:
    return about.f_bavail * about.f_frsize >> 20
