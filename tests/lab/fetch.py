"""python3 -m tests.lab.fetch: fill the lab's cache. Needs nothing when it is full."""

from __future__ import annotations

import sys

from tests.lab import cache, kernels, root
from tests.lab.errors import LabUnavailable


def main() -> int:
    """0, or 1 with a sentence why the lab cannot be set up."""
    print(f"lab: cache {cache.folder()}", file=sys.stderr, flush=True)
    try:
        root.folder()
        for source in (*kernels.SOURCES, kernels.NVME):
            source.kernel()
    except LabUnavailable as error:
        print(f"lab: not available: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
