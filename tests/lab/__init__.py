"""The lab: clusters of nodes with shared disks on real kernels (user-mode Linux), for tests and for people.

Its own tests prove that nodes, disks and faults are what other tests take them for. Needs x86-64, apt, and once
a compiler: the kernel with NVMe is built from Debian's source.
"""
