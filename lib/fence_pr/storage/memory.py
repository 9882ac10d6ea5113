"""Memory that the kernel is given the address of."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array


def memory(content: bytes) -> array[int]:
    """Bytes at an address that stays, `buffer_info()[0]`, as long as the object lives.

    `array` imports the package collections, a tenth of a start: a call that comes to no disk does without.
    """
    from array import array

    return array("B", content)
