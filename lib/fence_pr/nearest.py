"""The known word that an unknown one may have been meant for: told to the person, never acted on. Pure.

Imported only where a word is not known. The standard `difflib` does more, but importing it takes as long as the
interpreter takes to start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# No word of ours is nearly as long, and comparing takes time.
_LONGEST = 40
_LEAST_BEGINNING = 3
_LETTERS_A_SLIP = 3


def nearest(word: str, known: Iterable[str]) -> str:
    """The one known word that begins like this, or else that with the fewest slips; "" if there is none."""
    if not 1 < len(word) <= _LONGEST:
        return ""
    word, known = word.lower(), list(known)
    begun = [candidate for candidate in known if candidate.lower().startswith(word)]
    if len(begun) == 1 and len(word) >= _LEAST_BEGINNING:
        return begun[0]
    most = max(1, len(word) // _LETTERS_A_SLIP)
    best, found = (most + 1, 0), ""
    for candidate in known:
        if abs(len(candidate) - len(word)) <= most:
            # Of two that are as near, the one that begins like the word: people mistype ends.
            distance = slips(word, candidate.lower()), -_same_beginning(word, candidate.lower())
            if distance < best and distance[0] <= most:
                best, found = distance, candidate
    return found


def slips(word: str, other: str) -> int:
    """The fewest single letters to insert, leave out, change, or swap with their neighbour to make one the other."""
    older: list[int] = []
    old = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        new = [row]
        for column, wanted in enumerate(other, 1):
            fewest = min(old[column] + 1, new[column - 1] + 1, old[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and (letter, word[row - 2]) == (other[column - 2], wanted):
                fewest = min(fewest, older[column - 2] + 1)
            new.append(fewest)
        older, old = old, new
    return old[-1]


def _same_beginning(word: str, other: str) -> int:
    count = 0
    for one, another in zip(word, other):
        if one != another:
            break
        count += 1
    return count
