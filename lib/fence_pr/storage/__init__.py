"""One shared disk: what a name leads to, and what can be asked of it."""
