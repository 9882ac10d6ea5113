"""From "fencing failed" to the cause: what one node finds, what several nodes say, and what that comes to."""
