"""fence_pr: shut a failed node out of shared disks with persistent reservations."""

__version__ = "0.1.0"
