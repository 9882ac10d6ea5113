"""What LIO, nvmet and dm-multipath do, against SPC-4 and NVM Express: 210 questions, with what deviates and why.

Needs the lab. `make conformance` prints the table; recorded/ is what was found, kernel by kernel.
"""
