"""The tool on real disks: it shows what the target says, changes nothing where it only looks, and never hangs.

Needs the lab: real kernels and targets, and Pacemaker's own cibadmin in the guest.
"""
