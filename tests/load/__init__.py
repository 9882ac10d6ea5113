"""Fencing while all nodes write: what it costs the survivors, on four targets and by two agents, as one table.

Needs the lab and Debian's packages of tgt and the fence agents; in CI only. `python3 -m tests.load` measures it all.
"""
