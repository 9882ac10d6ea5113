"""python3 -m tests.inputs [--long]: try hostile inputs and surroundings, and print how many."""

from __future__ import annotations

import sys

from tests.inputs import proof


def main() -> int:
    """A line for each parser and each surrounding."""
    if sys.argv[1:] not in ([], ["--long"]):
        print(__doc__, file=sys.stderr)
        return 1
    rows = proof.run(long=bool(sys.argv[1:]))
    for row in rows:
        print(f"{row.tried:>10} {row.seconds:7.1f} s  {row.what}" + (f" ({row.note})" if row.note else ""))
    print(f"{sum(row.tried for row in rows):>10} {sum(row.seconds for row in rows):7.1f} s  in all, no wrong answer")
    return 1 if any(proof.NOT_COVERED in row.note for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
