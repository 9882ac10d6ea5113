"""Real Pacemaker clusters lose nodes, links, disks and power: what Pacemaker says, and whose writes the disks refuse.

Needs the lab, root and Debian trees with corosync and Pacemaker; some scenarios in CI, all with `make cluster`.
"""
