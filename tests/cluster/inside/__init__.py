"""What runs inside a cluster's hosts: the stack, writers to the raw disks, a diary in the file system."""
