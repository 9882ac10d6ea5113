"""Request numbers and structures of the kernel's calls, on every architecture that Debian has kernel headers of.

A compiler judges what Python says, by the macros and structures of that architecture's own headers. It makes no code,
so that any compiler does; the sizes of types are those of the architecture.
"""

from __future__ import annotations

import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

from fence_pr.storage import nvme, pr_ioctl
from fence_pr.storage.pr_ioctl import request_number, requests_of
from tests.lab import cache, kernel_build, packages
from tests.lab.plugin import or_not_covered

SUITE, PACKAGE = "forky", "linux-libc-dev"
# Folder of headers → what `uname -m` says there, and bits of a pointer.
ARCHITECTURES = {
    "aarch64-linux-gnu": ("aarch64", 64),
    "alpha-linux-gnu": ("alpha", 64),
    "arm-linux-gnueabihf": ("armv7l", 32),
    "hppa-linux-gnu": ("parisc64", 32),
    "i386-linux-gnu": ("i686", 32),
    "loongarch64-linux-gnu": ("loongarch64", 64),
    "m68k-linux-gnu": ("m68k", 32),
    "mips-linux-gnu": ("mips", 32),
    "mips64el-linux-gnuabi64": ("mips64", 64),
    "powerpc-linux-gnu": ("ppc", 32),
    "powerpc64-linux-gnu": ("ppc64", 64),
    "powerpc64le-linux-gnu": ("ppc64le", 64),
    "riscv64-linux-gnu": ("riscv64", 64),
    "s390x-linux-gnu": ("s390x", 64),
    "sh4-linux-gnu": ("sh4", 32),
    "sparc64-linux-gnu": ("sparc64", 64),
    "x86_64-linux-gnu": ("x86_64", 64),
}
# Structure → how it is packed here, and the names of its fields.
STRUCTURES = {
    "pr_registration": (pr_ioctl._REGISTRATION, "old_key new_key flags __pad"),
    "pr_reservation": (pr_ioctl._RESERVATION, "key type flags"),
    "pr_preempt": (pr_ioctl._PREEMPT, "old_key new_key type flags"),
    "pr_clear": (pr_ioctl._CLEAR, "key flags __pad"),
    "pr_read_keys": (pr_ioctl._READ_KEYS, "generation num_keys keys_ptr"),
    "pr_read_reservation": (pr_ioctl._READ_RESERVATION, "key generation type"),
    "nvme_passthru_cmd": (
        nvme._COMMAND,
        "opcode flags rsvd1 nsid cdw2 cdw3 metadata addr metadata_len data_len "
        "cdw10 cdw11 cdw12 cdw13 cdw14 cdw15 timeout_ms result",
    ),
}
INCLUDES = """\
typedef __SIZE_TYPE__ size_t;
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <linux/pr.h>
"""


@pytest.fixture(scope="module")
def headers() -> Path:
    """The folder with each architecture's headers."""
    or_not_covered(kernel_build.need_tools)
    return or_not_covered(lambda: cache.fill("headers", repr((1, SUITE, PACKAGE)), _fetch)) / "usr/include"


def _fetch(tree: Path) -> None:
    packages.check_machine()
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=cache.folder()) as scratch:
        suite = packages.Suite(SUITE, Path(scratch) / "apt")
        packages.unpack([suite.download(PACKAGE)], tree)


def complaints(headers: Path, architecture: str, claims: list[str]) -> str:
    """What the compiler says of these claims, "" if they hold."""
    _, bits = ARCHITECTURES[architecture]
    source = INCLUDES + "".join(f"_Static_assert({claim}, {claim!r});\n".replace("'", '"') for claim in claims)
    command = ["gcc", "-std=gnu11", "-fsyntax-only", f"-m{bits}", "-nostdinc", f"-D_MIPS_SZLONG={bits}"]
    folders = ["-isystem", str(headers / architecture), "-isystem", str(headers)]
    done = subprocess.run([*command, *folders, "-xc", "-"], input=source, text=True, capture_output=True, check=False)
    assert bool(done.returncode) == ("error" in done.stderr)
    return done.stderr


def test_no_architecture_that_debian_has_is_left_out(headers: Path) -> None:
    """But those whose kernel is another's here."""
    there = {path.name for path in headers.glob("*-linux-gnu*")}
    others = {name for name in there - set(ARCHITECTURES) if "mips" in name or name.endswith(("gnueabi", "gnux32"))}
    assert there == set(ARCHITECTURES) | others


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_request_numbers_are_those_of_the_headers(headers: Path, architecture: str) -> None:
    machine, bits = ARCHITECTURES[architecture]
    requests = requests_of(machine)
    claims = {f"IOC_PR_{name.upper()}": getattr(requests, name) for name in requests._fields}
    size = nvme._COMMAND.size
    claims["NVME_IOCTL_ID"] = request_number("N", 0x40, machine=machine)
    claims["NVME_IOCTL_ADMIN_CMD"] = request_number("N", 0x41, size, write=True, read=True, machine=machine)
    claims["NVME_IOCTL_IO_CMD"] = request_number("N", 0x43, size, write=True, read=True, machine=machine)
    claims["BLKGETSIZE64"] = request_number("\x12", 114, bits // 8, read=True, machine=machine)
    assert len(claims) == 12
    assert complaints(headers, architecture, [f"{name} == {number:#x}u" for name, number in claims.items()]) == ""
    said = complaints(headers, architecture, [f"{name} == {number + 1:#x}u" for name, number in claims.items()])
    assert said.count("static assertion failed") == len(claims)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_structures_are_packed_as_the_headers_have_them(headers: Path, architecture: str) -> None:
    claims = []
    for name, (packed, fields) in STRUCTURES.items():
        claims.append(f"sizeof(struct {name}) == {packed.size}")
        offset = 0
        for field, letter in zip(fields.split(), packed.format[1:], strict=True):
            claims.append(f"__builtin_offsetof(struct {name}, {field}) == {offset}")
            claims.append(f"sizeof(((struct {name} *)0)->{field}) == {struct.calcsize('=' + letter)}")
            offset += struct.calcsize("=" + letter)
        assert offset == packed.size
    assert complaints(headers, architecture, claims) == ""
