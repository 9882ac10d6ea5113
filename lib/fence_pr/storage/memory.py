"""Memory that the kernel is given the address of."""

from __future__ import annotations

# The module `array` would do, but it loads the package collections, four times as much as this.
from _ctypes import _SimpleCData, addressof


class _Byte(_SimpleCData):  # type: ignore[type-arg]
    _type_ = "c"


class Memory:
    """Bytes at an address that stays as long as the object lives.

    data     what stands there now; its length cannot be changed
    address  where
    """

    def __init__(self, content: bytes) -> None:
        self.data = bytearray(content)
        self._held = (_Byte * len(content)).from_buffer(self.data)
        self.address = addressof(self._held)
