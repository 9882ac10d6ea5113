"""The words of the table, for the host and for the guest: keys, reservation types, and what is said of them."""

from __future__ import annotations

# Names of keys. A, B and C are the hosts' own; "A'" is another one of A; S is used by two hosts, X by none.
KEYS = {
    "0": 0,
    "A": 0xA,
    "A'": 0xA00000000000000A,
    "B": 0xB00000000000000B,
    "C": 0xC,
    "S": 0x5,
    "MAX": 0xFFFFFFFFFFFFFFFF,
    "X": 0xBAD,
}
# enum pr_type of linux/pr.h
TYPES = {"WE": 1, "EA": 2, "WERO": 3, "EARO": 4, "WEAR": 5, "EAAR": 6}
ALL_REGISTRANTS = ("WEAR", "EAAR")

RESTART, CAME_BACK = "target restarts", "target came-back"


def key_name(key: int) -> str:
    """The name of a key, or its number."""
    return next((name for name, value in KEYS.items() if value == key), f"0x{key:x}")


def type_name(number: int) -> str:
    """The name of a reservation type, or its number."""
    return next((name for name, value in TYPES.items() if value == number), f"type {number}")


def type_number(word: str) -> int:
    """The number of a type by its name, or what is written as a number."""
    return TYPES[word] if word in TYPES else int(word)
