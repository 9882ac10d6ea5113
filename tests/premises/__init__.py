"""What the proof takes for granted, broken on 0.1.0 and on this version: no lie, and no legitimate call is blocked.

Needs the lab, git, and the commit of 0.1.0; in CI only. `python3 -m tests.premises` prints the table.
"""
