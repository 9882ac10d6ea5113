"""The actions on real disks: each promise by its name, `off` from every state, multipath, NVMe, abort, a person's call.

Needs the lab: real kernels, whose targets really refuse the writes of a node that is shut out.
"""
