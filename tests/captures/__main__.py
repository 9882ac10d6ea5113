"""python3 -m tests.captures: boots the lab, makes each call, and writes docs/pictures anew."""

from __future__ import annotations

import sys

from tests.captures import svg
from tests.captures.table import CAPTURES, COLUMNS
from tests.lab import kernels, root
from tests.lab.cluster import Cluster
from tests.lab.errors import LabUnavailable
from tests.lab.guest import PROJECT, Guest

PICTURES = PROJECT / "docs/pictures"


def main() -> int:
    """0, or 1 with a sentence why the lab cannot be set up."""
    try:
        guest = Guest(kernels.NEWEST.kernel(), root.folder())
    except LabUnavailable as error:
        print(f"captures: not available: {error}", file=sys.stderr)
        return 1
    with guest:
        lab = Cluster(guest)
        for capture in CAPTURES:
            lines = capture.printed(lab)
            path = PICTURES / f"terminal-{capture.name}.svg"
            path.write_text(svg.picture(capture.says, capture.typed(lab), lines, COLUMNS))
            print(path)
            lab.reset()
    return 0


if __name__ == "__main__":
    sys.exit(main())
