"""python3 -m tests.faults [--long]: inject all faults on real kernels and print how many survived."""

from __future__ import annotations

import sys

from tests.faults import proof


def main() -> int:
    """0 if every fault was survived."""
    lines = proof.run("--long" in sys.argv[1:])
    for line in lines:
        print(line, line.trouble, sep="\n" if line.trouble else "")
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
