"""The marked parts of a document that a person writes, filled with what is made from the option table.

A part stands between two comments of the document's own language, or, in Markdown, is the table after one:

    # begin options
    # end options
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def filled(text: str, parts: Mapping[str, Iterable[str]]) -> str:
    """The text with each part replaced by its lines, indented as its markers are."""
    for name, lines in parts.items():
        pattern = rf"(?m)^(?P<indent> *)(?P<begin>\S+ begin {name}(?: -->)?\n)(?:.*\n)*?(?P<end> *\S+ end {name})\b"
        if not re.search(pattern, text):
            pattern = rf"(?P<indent>)(?P<begin><!-- {name} -->\n)(?:\|.*\n)*(?P<end>)"
        found = re.search(pattern, text)
        assert found, f"the document has no part {name}"
        content = "".join(f"{found['indent']}{line}\n" for line in lines)
        text = text[: found.start()] + found["indent"] + found["begin"] + content + found["end"] + text[found.end() :]
    return text
