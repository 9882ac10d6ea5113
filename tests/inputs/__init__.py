"""Hostile inputs and hostile surroundings: what the agent makes of everything it does not write itself.

Needs no disk, but for test_surroundings_on_disks the lab.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent.parent
SEEDS = FOLDER / "seeds"
sys.path.insert(0, str(PROJECT / "lib"))
