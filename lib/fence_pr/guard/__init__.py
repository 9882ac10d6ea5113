"""The guard: acts when this node has been fenced."""
