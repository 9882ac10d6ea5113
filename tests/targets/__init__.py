"""Other iSCSI targets than the kernel's: istgt, which has room for 256 registrations, and tgt, which cannot abort.

Needs the lab and Debian's packages of both; in CI only.
"""
