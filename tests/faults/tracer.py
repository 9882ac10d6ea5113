#!/usr/bin/python3 -ISB
"""Runs a command in a guest and kills or holds its processes at a chosen system call.

    tracer.py FOLDER PLACES SITE MOMENT KILL COMMAND...

The command keeps this process's number, parent and streams; a process of its own watches it and all that it makes.

PLACES   "name=path,…": disks and state files. A system call that touches one is a site, called "what name number":
         "preempt-and-abort b 1" is the first such command to the disk b.
SITE     where to act, "" for nowhere; MOMENT: "before" or "after" the system call is carried out
KILL     "parent" (the command itself), "child" (the process it made), "parent,child"; "" holds the caller, until
         there is a file FOLDER/go

FOLDER/log gets a line at every site: who, moment, site. FOLDER/reached is made at SITE, FOLDER/done when every process
of the command has ended. x86-64 only, as the lab is.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys

# linux/ptrace.h, linux/wait.h
CONTINUE, GET_REGISTERS, TO_NEXT_SYSTEM_CALL, SEIZE = 7, 12, 24, 0x4206
OPTIONS = 1 | 2 | 4 | 8 | 128  # mark stops at system calls; follow fork, vfork and clone; tell of the filter's stops
EVENT_SECCOMP, SYSTEM_CALL_STOP, ALL_THREADS = 7, signal.SIGTRAP | 0x80, 0x40000000

# linux/seccomp.h, linux/filter.h: the operations of a filter, and the places of what they look at
PR_SET_SECCOMP, MODE_FILTER = 22, 2
LOAD, JUMP_IF_EQUAL, AND, RETURN = 0x20, 0x15, 0x54, 0x06
NUMBER, SECOND_ARGUMENT = 0, 24
ALLOW, TRACE = 0x7FFF0000, 0x7FF00000

# The system calls, and where the registers are in what GET_REGISTERS gives
IOCTL = 16
BY_DESCRIPTOR, BY_FIRST_PATH, BY_SECOND_PATH = {1: "write", 74: "fsync"}, {82: "rename", 87: "unlink"}, {257: "open"}
ALWAYS = (*BY_DESCRIPTOR, *BY_FIRST_PATH, *BY_SECOND_PATH)
ORIG_RAX, RSI, RDI, REGISTERS = 15, 13, 14, 27

SG_IO = 0x2285
FAMILIES = (ord("p") << 8, ord("N") << 8)  # linux/pr.h, linux/nvme_ioctl.h
REQUESTS = {
    SG_IO: "scsi",
    0x4E40: "namespace",
    0xC0484E43: "report",
    0x401870C8: "register",
    0x401070C9: "reserve",
    0x401870CB: "preempt",
    0x401870CC: "preempt-and-abort",
    0xC01070CE: "read-keys",
    0x801070CF: "read-reservation",
}

# A state file's new content is in a file with the number of the process behind the name.
UNFINISHED = re.compile(r"\.\d+~$")

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Become the command."""
    folder, places, site, moment, kill, *command = sys.argv[1:]
    os.makedirs(folder)
    reading, writing = os.pipe()
    me = os.getpid()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            named = {path: name for name, _, path in (place.partition("=") for place in places.split(","))}
            Watcher(folder, me, named, (moment, site), kill.split(",") if kill else []).run(writing)
        os._exit(0)
    os.wait()
    os.close(writing)
    if not os.read(reading, 1):
        sys.exit("nobody watches")
    stop_at_sites()
    os.execv(command[0], command)


def stop_at_sites() -> None:
    """From now on, here and in every child, whoever calls what may touch a place stops before."""
    count = len(ALWAYS)
    code = [(LOAD, 0, 0, NUMBER)]
    code += [(JUMP_IF_EQUAL, count - index + 6, 0, number) for index, number in enumerate(ALWAYS)]
    code += [
        (JUMP_IF_EQUAL, 0, 5, IOCTL),
        (LOAD, 0, 0, SECOND_ARGUMENT),
        (JUMP_IF_EQUAL, 4, 0, SG_IO),
        (AND, 0, 0, 0xFF00),
        (JUMP_IF_EQUAL, 2, 0, FAMILIES[0]),
        (JUMP_IF_EQUAL, 1, 0, FAMILIES[1]),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, TRACE),
    ]
    words = b"".join(
        operation.to_bytes(2, "little") + bytes((yes, no)) + value.to_bytes(4, "little")
        for operation, yes, no, value in code
    )
    data = ctypes.create_string_buffer(words)
    program = (ctypes.c_uint64 * 2)(len(code), ctypes.addressof(data))  # struct sock_fprog
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)):
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")


def _ptrace(request: int, thread: int, data: int = 0) -> bool:
    return not libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, ctypes.c_void_p(data))


class Watcher:
    """Follows the process `parent` and whatever it makes; acts at `where`, a moment and a site.

    places: path → name
    """

    def __init__(
        self, folder: str, parent: int, places: dict[str, str], where: tuple[str, str], kill: list[str]
    ) -> None:
        self._folder, self._parent, self._where, self._kill = folder, parent, where, kill
        self._places = places
        self._counts: dict[str, int] = {}
        self._inside: dict[int, str] = {}  # thread → the site whose system call it carries out
        self._held = 0
        self._registers = (ctypes.c_uint64 * REGISTERS)()
        self._log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(self, ready: int) -> None:
        """Until there is nobody left to watch."""
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        if not _ptrace(SEIZE, self._parent, OPTIONS):
            return
        os.write(ready, b"1")
        null = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2, ready):
            os.dup2(null, stream)
        try:
            while self._next():
                pass
        except BaseException:
            import traceback

            os.write(self._log, traceback.format_exc().encode())
        self._mark("done")

    def _next(self) -> bool:
        """Wait for what happens next, and act; False if there is nobody left."""
        try:
            thread, status = os.waitpid(-1, ALL_THREADS | (os.WNOHANG if self._held else 0))
        except ChildProcessError:
            return False
        if thread:
            self._changed(thread, status)
        elif os.path.exists(f"{self._folder}/go"):
            held, self._held = self._held, 0
            self._go_on(held)
        else:
            signal.sigtimedwait([signal.SIGCHLD], 0.01)
        return True

    def _changed(self, thread: int, status: int) -> None:
        if not os.WIFSTOPPED(status):
            return
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == EVENT_SECCOMP:
            site = self._site(thread)
            if site:
                self._inside[thread] = site
                self._at(thread, "before", site)
                return
        elif number == SYSTEM_CALL_STOP:
            self._at(thread, "after", self._inside.pop(thread))
            return
        _ptrace(CONTINUE, thread, 0 if event else number)

    def _at(self, thread: int, moment: str, site: str) -> None:
        process = self._process(thread)
        os.write(self._log, f"{'parent' if process == self._parent else 'child'} {moment} {site}\n".encode())
        if (moment, site) == self._where:
            self._mark("reached")
            if not self._kill:
                self._held = thread
                return
            if "child" in self._kill:
                os.kill(process, signal.SIGKILL)
            if "parent" in self._kill:
                os.kill(self._parent, signal.SIGKILL)
                os.waitpid(self._parent, ALL_THREADS)  # before the child takes its next step
        self._go_on(thread)

    def _go_on(self, thread: int) -> None:
        _ptrace(TO_NEXT_SYSTEM_CALL if thread in self._inside else CONTINUE, thread)

    def _site(self, thread: int) -> str:
        """What the thread is about to do to which place, and for which time; "" if it is no place of ours."""
        if not _ptrace(GET_REGISTERS, thread, ctypes.addressof(self._registers)):
            return ""
        call, first, second = (self._registers[place] for place in (ORIG_RAX, RDI, RSI))
        if call == IOCTL or call in BY_DESCRIPTOR:
            path = self._link(thread, first & 0xFFFFFFFF)
        else:
            path = self._text(thread, second if call in BY_SECOND_PATH else first)
        name = self._places.get(path) or self._places.get(UNFINISHED.sub("", path))
        if not name:
            return ""
        what = REQUESTS.get(second & 0xFFFFFFFF, hex(second)) if call == IOCTL else ""
        what = what or {**BY_DESCRIPTOR, **BY_FIRST_PATH, **BY_SECOND_PATH}[call]
        place = f"{what} {name}"
        self._counts[place] = self._counts.get(place, 0) + 1
        return f"{place} {self._counts[place]}"

    @staticmethod
    def _process(thread: int) -> int:
        with open(f"/proc/{thread}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))

    @staticmethod
    def _link(thread: int, descriptor: int) -> str:
        try:
            return os.readlink(f"/proc/{thread}/fd/{descriptor}")
        except OSError:
            return ""

    @staticmethod
    def _text(thread: int, address: int) -> str:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(256).partition(b"\0")[0].decode(errors="replace")

    def _mark(self, name: str) -> None:
        os.close(os.open(f"{self._folder}/{name}", os.O_WRONLY | os.O_CREAT))


if __name__ == "__main__":
    main()
