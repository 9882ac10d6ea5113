"""A running cluster goes from fence_scsi or fence_mpath to this agent and back, and fencing works in between.

Needs the lab, root and Debian trees with the older agents; in CI only.
"""
