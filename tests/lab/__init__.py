"""The lab: clusters of nodes with shared disks on real kernels (user-mode Linux), for tests and for people."""
