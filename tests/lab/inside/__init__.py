"""What runs inside a guest, on the guest's own Python 3.11 with nothing but its standard library."""
