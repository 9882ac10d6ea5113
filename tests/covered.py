"""python3 -m tests.covered [ARGS]: which lines and branches of lib tests run, on the host and in guests, as a table.

ARGS are pytest's; without any, all tests that `make test` has. They run in a copy of the project, whose lib writes down
what runs (`tests/mutants/lines.py`) in whatever process it is read; coverage.py counts. Nothing that is killed is lost.
Tests that measure time may fail: what is watched takes longer.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from coverage import Coverage, CoverageData

PROJECT = Path(__file__).resolve().parent.parent
LIB = PROJECT / "lib" / "fence_pr"
sys.path.insert(0, str(PROJECT))

from tests.conftest import IN_PARALLEL  # noqa: E402
from tests.lab import guest  # noqa: E402
from tests.mutants import lines, sandbox  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run, print; pytest's exit code."""
    with tempfile.TemporaryDirectory(prefix="fence_pr-covered-") as name:
        work = Path(name)
        work.chmod(0o755)  # some tests are another user's
        folder = work / "lines"
        folder.mkdir()
        folder.chmod(0o777)
        failed = _run(work, folder, arguments)
        report(arcs(folder), work / "data")
    return failed


def _run(work: Path, folder: Path, arguments: list[str]) -> int:
    copy = sandbox.copied(work / "copy")
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    where = work / "where"
    where.write_text(str(folder))
    with (copy / "lib" / "fence_pr" / "__init__.py").open("a") as package:
        package.write(lines.prelude(str(where), guest=guest.LINES_INSIDE, unique=True))
    command = [sys.executable, "-m", "pytest", "-q", *IN_PARALLEL, *arguments]
    return subprocess.run(command, cwd=copy, env={**os.environ, guest.LINES: str(folder)}, check=False).returncode


def arcs(folder: Path) -> dict[str, set[tuple[int, int]]]:
    """File of lib → from which line to which it went, in any process."""
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for output in folder.iterdir():
        for line in output.read_text().splitlines():
            path, begin, end = line.rsplit(":", 2)
            if path != "__init__.py":  # of the copy
                found[path].add((int(begin), int(end)))
    return found


def report(found: dict[str, set[tuple[int, int]]], file: Path) -> None:
    """A row a file, with what did not run."""
    data = CoverageData(basename=str(file))
    data.add_arcs({str(LIB / path): list(of_file) for path, of_file in found.items()})
    for path in LIB.rglob("*.py"):
        data.touch_file(str(path))
    data.write()
    counted = Coverage(data_file=str(file), config_file=False, branch=True)
    counted.exclude("if TYPE_CHECKING:")
    counted.load()
    counted.report(show_missing=True, omit=[str(LIB / "__init__.py")])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
