"""User-mode Linux built from Debian's kernel source: what the packaged one lacks is NVMe, host and target.

A build takes some minutes, once: the result stays in the cache until the configuration changes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.lab import cache, packages
from tests.lab.errors import LabUnavailable

PREFIX = "linux-source-"
VERSIONED = re.compile(r"linux-source-(\d+\.\d+)")
CONFIGURATION = Path(__file__).with_name("kernel.config")
LEANER = Path(__file__).with_name("leaner.config").read_text()
# Program → Debian package.
TOOLS = {
    "gcc": "gcc",
    "make": "make",
    "bc": "bc",
    "flex": "flex",
    "bison": "bison",
    "xz": "xz-utils",
    "perl": "perl",
    "ld": "binutils",
}
HEADERS = {"/usr/include/stdio.h": "libc6-dev"}


def recipe(suite: str, version: str, more: str) -> str:
    """What the result depends on."""
    return repr((1, suite, version, CONFIGURATION.read_text() + more))


def build(folder: Path, suite: str, version: str, more: str) -> None:
    """Build the kernel of `linux-source-VERSION` in `suite` into `folder`; raises LabUnavailable.

    more: further lines of configuration
    """
    packages.check_machine()
    need_tools()
    print(f"lab: building Linux {version} from Debian {suite} (150 MB, some minutes)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=cache.folder()) as scratch:
        source = _source(Path(scratch), suite, version)
        output = Path(scratch) / "output"
        output.mkdir()
        _configure(source, output, CONFIGURATION.read_text() + more)
        _make(source, output, f"-j{os.cpu_count()}", "linux")
        release = _make(source, output, "kernelrelease").strip()
        subprocess.run(["strip", "-o", folder / "linux", output / "linux"], check=True)
    (folder / "release").write_text(release.split()[-1])


def need_tools() -> None:
    """Install what compiles, where that is root's; raises LabUnavailable."""
    missing = [package for program, package in TOOLS.items() if shutil.which(program) is None]
    missing += [package for header, package in HEADERS.items() if not Path(header).exists()]
    if not missing:
        return
    if os.geteuid() != 0:
        raise LabUnavailable(f"building a kernel needs {', '.join(missing)}; install them with apt-get")
    print(f"lab: installing {', '.join(missing)}, to build a kernel", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *command], check=False, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise LabUnavailable(f"apt-get {command[0]}: {done.stderr.strip()}")


def _source(scratch: Path, suite: str, version: str) -> Path:
    debian = packages.Suite(suite, scratch / "apt")
    deb = debian.download(_package(debian.names(PREFIX), version, suite))
    (scratch / "package").mkdir()
    packages.unpack([deb], scratch / "package")
    (archive,) = (scratch / "package/usr/src").glob("linux-source-*.tar.xz")
    subprocess.run(["tar", "-x", "-J", "-f", archive, "-C", scratch], check=True)
    return next(scratch.glob("linux-source-*"))


def _package(names: list[str], version: str, suite: str) -> str:
    """The source package of that version, or the newest one; raises LabUnavailable if there is none."""
    if f"{PREFIX}{version}" in names:
        return f"{PREFIX}{version}"
    versions = [[int(part) for part in found[1].split(".")] for name in names if (found := VERSIONED.fullmatch(name))]
    if not versions:
        raise LabUnavailable(f"Debian {suite} has no kernel source")
    return PREFIX + ".".join(map(str, max(versions)))


def _configure(source: Path, output: Path, settings: str) -> None:
    """User-mode Linux's defaults with our settings on top; raises LabUnavailable if one is not accepted."""
    _make(source, output, "defconfig")
    wanted = [line for line in settings.splitlines() if line.startswith("CONFIG_")]
    names = [[line.partition("=")[0]] for line in wanted]
    config = output / ".config"
    kept = [
        line for line in config.read_text().splitlines() if line.strip("# ").partition("=")[0].split()[:1] not in names
    ]
    config.write_text("\n".join([*kept, *wanted, ""]))
    _make(source, output, "olddefconfig")
    result = config.read_text().splitlines()
    refused = [line for line in wanted if line.endswith("=y") and line not in result]
    if refused:
        raise LabUnavailable(f"this kernel's configuration does not accept {', '.join(refused)}")


def _make(source: Path, output: Path, *targets: str) -> str:
    command: list[str | Path] = ["make", "-s", "-C", source, "ARCH=um", f"O={output}", *targets]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabUnavailable(f"make {' '.join(targets)}: {done.stderr[-2000:]}")
    return done.stdout
