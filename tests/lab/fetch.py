"""python3 -m tests.lab.fetch [--all]: fill the lab's cache, with --all also for the long tests."""

from __future__ import annotations

import sys

from tests.cluster.root import STACKS
from tests.lab import cache, kernels, root
from tests.lab.errors import LabUnavailable


def main(for_ci: bool = False, for_long_form: bool = False) -> int:
    """0, or 1 with a sentence why the lab cannot be set up."""
    print(f"lab: cache {cache.folder()}", file=sys.stderr, flush=True)
    try:
        root.folder()
        for source in kernels.ALL if for_long_form else kernels.IN_CI if for_ci else kernels.USUAL:
            source.kernel()
        for stack in STACKS if for_ci or for_long_form else ():
            stack.folder()
    except LabUnavailable as error:
        print(f"lab: not available: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(for_long_form="--all" in sys.argv[1:]))
