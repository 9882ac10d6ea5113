"""What runs inside a host while its fence agent is exchanged: writes to the disks, all the time."""
