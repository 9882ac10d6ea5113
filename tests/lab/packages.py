"""Debian packages, downloaded with the machine's own apt and unpacked without installing anything.

apt gets a configuration, package lists and a dpkg status of its own (in a scratch folder), so that neither the
machine's packages nor its lists matter, and no privileges are needed.
"""

from __future__ import annotations

import os
import platform
import shutil
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.errors import LabUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"  # also in Debian 13, as a link to the .pgp file
TOOLS = ("apt-get", "apt-config", "dpkg-deb", "tar")
DEBIAN_SUITES = ("bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable")

# Nobody reads these in a guest.
UNWANTED = ("./usr/share/doc", "./usr/share/man", "./usr/share/locale", "./usr/share/info", "./usr/share/lintian")


@dataclass
class DownloadFailed(LabUnavailable):
    """apt could not fetch something."""

    reason: str

    def __str__(self) -> str:
        return f"apt cannot download what the lab needs: {self.reason}"


def check_machine() -> None:
    """Raise LabUnavailable unless this is an x86-64 Debian with apt and dpkg."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise LabUnavailable(f"the lab needs x86-64 Linux, this is {platform.system()} on {platform.machine()}")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LabUnavailable(f"the lab needs Debian's apt and dpkg, not found: {', '.join(missing)}")


def mirror() -> str:
    """The address of the Debian mirror that this machine's apt uses; raises LabUnavailable."""
    # Where nobody has run `apt-get update` yet, apt tells what is configured only without what it would know then.
    found = _mirrors() or _mirrors("--no-release-info")
    if not found:
        raise LabUnavailable("no Debian mirror in the machine's apt configuration (/etc/apt/sources.list*)")
    return max(found, key=lambda candidate: candidate[:2])[2]


def _mirrors(*options: str) -> list[tuple[bool, bool, str]]:
    """For each mirror: whether it calls itself Debian, whether it looks like it, its address."""
    fields = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(ORIGIN)"
    command = ["apt-get", "indextargets", *options, "--format", fields, "Created-By: Packages"]
    found: list[tuple[bool, bool, str]] = []
    for line in _apt(command, os.environ.copy()).splitlines():
        uri, release, component, origin = line.split("\t")
        if component == "main" and release in DEBIAN_SUITES and not uri.startswith("cdrom:"):
            # Other archives use Debian's suite names, too: take what calls itself Debian, else what looks like it.
            found.append((origin == "Debian", uri.rstrip("/").endswith("/debian"), uri))
    return found


class Suite:
    """One Debian suite, as a private apt sees it. All state lives in `scratch`."""

    def __init__(self, name: str, scratch: Path, kind: str = "deb", architecture: str = "amd64") -> None:
        """Fetch the package lists of the suite; raises LabUnavailable. kind: deb, or deb-src for sources alone."""
        self.name = name
        self._architecture = architecture
        self._scratch = scratch
        for folder in ("none", "state/lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        (scratch / "status").touch()
        (scratch / "sources.list").write_text(f"{kind} [signed-by={KEYRING}] {mirror()} {name} main\n")
        (scratch / "apt.conf").write_text(self._configuration())
        self._run("apt-get", "update", "-qq", "--error-on=any")

    def download(self, package: str) -> Path:
        """Fetch one package; the path of its .deb."""
        target = self._scratch / package
        target.mkdir()
        self._run("apt-get", "download", "-qq", package, cwd=target)
        return next(target.glob("*.deb"))

    def download_source(self, package: str) -> Path:
        """Fetch the source of one package, without Debian's own part; the path of the archive."""
        listed = self._run("apt-get", "source", "--print-uris", package).splitlines()
        address, name, _, checksum = next(line for line in listed if ".orig.tar" in line).split()
        target = self._scratch / name
        self._run("/usr/lib/apt/apt-helper", "download-file", address.strip("'"), str(target), checksum)
        return target

    def names(self, prefix: str) -> list[str]:
        """All packages whose names begin so."""
        return self._run("apt-cache", "pkgnames", prefix).split()

    def download_closure(self, packages: Sequence[str]) -> list[Path]:
        """Fetch packages with everything they depend on, as for a machine that has no package yet."""
        self._run("apt-get", "install", "-qq", "-y", "--download-only", "--no-install-recommends", *packages)
        return sorted((self._scratch / "cache/archives").glob("*.deb"))

    def _run(self, *command: str, cwd: Path | None = None) -> str:
        return _apt(command, {**os.environ, "APT_CONFIG": str(self._scratch / "apt.conf"), "LC_ALL": "C"}, cwd)

    def _configuration(self) -> str:
        here = self._scratch
        settings = {
            "Dir::State": here / "state",
            "Dir::State::status": here / "status",
            "Dir::Cache": here / "cache",
            "Dir::Etc::sourcelist": here / "sources.list",
            "Dir::Etc::sourceparts": here / "none",
            "Dir::Etc::preferences": here / "none",
            "Dir::Etc::preferencesparts": here / "none",
            # The machine's hooks (clean caches, notify daemons) are about the machine's packages.
            "Dir::Etc::parts": here / "none",
            "Dir::Etc::main": here / "none",
            "APT::Architecture": self._architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "true",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
        }
        lines = [f'{name} "{value}";' for name, value in settings.items()]
        architectures = f'APT::Architectures {{ "{self._architecture}"; }};'
        return "\n".join([*machine_transport(), *lines, architectures, ""])


def make_merged(tree: Path) -> None:
    """Start a tree as Debian has it since 12: /bin, /lib and the like are links into /usr."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")


def unpack(debs: Iterable[Path], tree: Path) -> None:
    """Unpack packages into `tree`: no maintainer scripts, no ownership, no set-user-ID files."""
    excludes = [f"--exclude={path}" for path in UNWANTED]
    for deb in debs:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as source:
            command = ["tar", "-x", "-C", str(tree), "--keep-directory-symlink", "--no-same-owner", *excludes]
            result = subprocess.run(command, check=False, stdin=source.stdout, capture_output=True)
        if source.returncode or result.returncode:
            raise LabUnavailable(f"cannot unpack {deb.name} into {tree}: {result.stderr.decode().strip()}")
    _drop_privilege_bits(tree)


def _drop_privilege_bits(tree: Path) -> None:
    """A cache is no place for set-user-ID programs; and the owner must be able to remove what he unpacked."""
    for folder, _, names in os.walk(tree):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            mode = os.lstat(path).st_mode
            wanted = mode & 0o1777 | (0o700 if stat.S_ISDIR(mode) else 0o400)
            if not stat.S_ISLNK(mode) and stat.S_IMODE(mode) != wanted:
                os.chmod(path, wanted)


def machine_transport() -> list[str]:
    """How this machine's apt reaches its mirror (proxies, certificates, time-outs)."""
    dump = _apt(["apt-config", "dump"], os.environ.copy())
    return [
        line
        for line in dump.splitlines()
        if line.startswith("Acquire::") and not line.startswith(("Acquire::IndexTargets", "Acquire::Languages"))
    ]


def _apt(command: Sequence[str], environment: dict[str, str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, check=False, env=environment, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise DownloadFailed(f"{' '.join(command[:3])}: {said}")
    return done.stdout
