"""Can this storage be trusted? Steps that try it, with one node and with two, and a record of what was seen."""
