"""Which tests run upon which kernel and transport, and when: as pytest collects them, with everything wanted.

python3 -m tests.documents.collected [--write]: print the table of docs/kernels.md, or write it there; needs pytest.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PROJECT = Path(__file__).resolve().parents[2]
PAGE, PART = PROJECT / "docs/kernels.md", "what-was-run"
# Other folders have no test that is handed a kernel.
FOLDERS = (
    "conformance", "fencing", "faults", "nemesis", "guard", "tool", "premises", "targets", "model", "inputs", "lab",
)  # fmt: skip
# The soonest first.
WHEN = ALWAYS, IN_CI, CHANCE, LONG = "always", "CI", "chance", "long"
TRANSPORTS = ISCSI, MULTIPATH, LOOP, TCP, HOSTS = (
    "iSCSI",
    "dm-multipath over iSCSI",
    "NVMe loop",
    "NVMe/TCP",
    "NVMe/TCP, two paths, each node a kernel of its own",
)
LABELS = ("6.1", "6.12", "7.2", "7.3", "7.3, two processors")


class Collector:
    """Looks at what has been collected. cells: folder and transport → kernel's label → when."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], dict[str, set[str]]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """All tests that have a kernel."""
        from tests.conftest import UPON  # not before pytest has it

        columns = labels()
        for item in session.items:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            for kernel in (str(parameters[name]) for name in UPON if name in parameters):
                if kernel in columns:
                    row = self.cells.setdefault((item.path.parent.name, transport(item, parameters)), {})
                    row.setdefault(columns[kernel], set()).add(when(item))

    def table(self) -> list[str]:
        """A row a folder and transport, a column a kernel."""
        lines = [f"| tests | over | {' | '.join(LABELS)} |", "|---|---|" + "---|" * len(LABELS)]
        for folder, transport in sorted(self.cells, key=lambda row: (FOLDERS.index(row[0]), TRANSPORTS.index(row[1]))):
            row = self.cells[folder, transport]
            words = [", ".join(sorted(row.get(label, ()), key=WHEN.index)) or "–" for label in LABELS]
            lines.append(f"| `{folder}` | {transport} | {' | '.join(words)} |")
        return lines


def labels() -> dict[str, str]:
    """Kernel → its column."""
    from tests.lab import plugin

    return {
        plugin.OLDEST: "6.1",
        plugin.OLDER_NVME_HOST: "6.1",
        plugin.COMMON: "6.12",
        plugin.COMMON_NVME_HOST: "6.12",
        plugin.NEWEST: "7.2",
        plugin.NVME: "7.3",
        plugin.SEVERAL_PROCESSORS: "7.3, two processors",
    }


def transport(item: pytest.Item, parameters: dict[str, object]) -> str:
    """One of TRANSPORTS."""
    if "host_kernel" in parameters:
        return HOSTS
    if "namespaces" in parameters:
        return LOOP if parameters["namespaces"] == "loop" else TCP
    return MULTIPATH if "multipath" in item.nodeid or "_map" in item.nodeid else ISCSI


def when(item: pytest.Item) -> str:
    """One of WHEN."""
    if item.get_closest_marker("long"):
        return LONG
    if not item.get_closest_marker("slow"):
        return ALWAYS
    return CHANCE if item.get_closest_marker("by_chance") else IN_CI


def main(write: bool = False) -> int:
    """Print or write what there is."""
    import pytest

    from tests.documents.filling import filled

    os.environ.update({"CI": "true", "FENCE_PR_LONG": "1"})
    collector = Collector()
    folders = [str(PROJECT / "tests" / name) for name in FOLDERS]
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main(["--collect-only", "-qq", "-p", "no:cacheprovider", *folders], plugins=[collector])
    if write and not status:
        PAGE.write_text(filled(PAGE.read_text(), {PART: collector.table()}))
    print("\n".join(collector.table()))
    return int(status)


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
