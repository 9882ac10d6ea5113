"""`make install`, and the packages for Debian and rpm: built, judged by the distributions' tools, installed, removed.

The packages need root and Debian trees, in CI only; folders and completion need nothing.
"""
