"""Every part of agent and guard by itself: real code over made-up ioctls, sysfs and files; and the project's own rules.

Needs neither kernel nor disk; some tests compare with files of Debian's packages, which are fetched once.
"""
