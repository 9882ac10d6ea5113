"""Memory that the kernel is given the address of."""

from __future__ import annotations

import ctypes

import pytest

from fence_pr.storage.memory import Memory


@pytest.mark.parametrize("content", [b"", b"abc", bytes(70_000)])
def test_what_is_written_at_the_address_stands_in_the_data(content: bytes) -> None:
    memory = Memory(content)
    assert memory.data == content
    ctypes.memset(memory.address, 0x5A, len(content))
    assert memory.data == b"\x5a" * len(content)


def test_it_cannot_be_moved() -> None:
    """Else the kernel would write into what has been given to somebody else."""
    memory = Memory(b"abc")
    with pytest.raises(BufferError):
        memory.data.extend(bytes(70_000))
