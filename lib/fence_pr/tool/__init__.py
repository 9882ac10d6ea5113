"""The tool pr_fence: what a person asks of shared disks. Nothing of it is loaded by the agent or the guard."""
