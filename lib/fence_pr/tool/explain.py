"""'explain': what a message means, by its code or its text."""

from __future__ import annotations

import re

from ..errors import UsageError
from ..messages import sentences
from ..nearest import nearest
from .report import examined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .options import Call
    from .report import Json
    from .terminal import Style

_FIELD = re.compile(r"\\?\{[^}]*\}")
_OPTIONAL = re.compile(r"\[[^]]*\]")
_CODE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
# Fewer letters of a sentence's own are in many texts.
_LEAST_LETTERS = 8


def examine(call: Call) -> Json:
    """The entries of the messages that are asked for. Raises UsageError if there is no such message."""
    return examined({"messages": [_entry(code) for code in _codes(call.words)]})


def _codes(words: tuple[str, ...]) -> list[str]:
    if all(map(_is_code, words)):
        return list(dict.fromkeys(words))
    text = " ".join(words)
    if found := by_text(text):
        return [found]
    near = nearest(text, [code for code, *_ in _all()]) if _CODE.fullmatch(text) else ""
    raise UsageError("message-unknown", value=text, near=near)


def _is_code(word: str) -> bool:
    try:
        sentences.find(word)
    except KeyError:
        return False
    return True


def _all() -> Iterator[tuple[str, str, str]]:
    """Code, sentence and hint of every message."""
    for table in sentences.tables():
        for code, (sentence, hint, *_) in {**table.FAILURES, **table.WARNINGS}.items():
            yield code, sentence, hint
        for code, sentence in table.STEPS.items():
            yield code, sentence, ""


def by_text(text: str) -> str:
    """The code of the message that stands in a text; "" if there is none. Of several the one that says most."""
    best, most = "", _LEAST_LETTERS - 1
    for code, sentence, hint in _all():
        forms = [f"{sentence}; {hint}", sentence] if hint else [sentence]
        for form in forms:
            letters = _letters(form)
            if letters > most and _pattern(form).search(text):
                best, most = code, letters
    return best


def _letters(template: str) -> int:
    return sum(map(str.isalpha, _FIELD.sub("", _OPTIONAL.sub("", template))))


def _pattern(template: str) -> re.Pattern[str]:
    """A sentence with anything in its fields, and anything between it and what to do."""
    always, *rest = template.split("[")
    pattern = _words(always)
    for part in rest:
        optional, _, always = part.partition("]")
        pattern += f"(?:{_words(optional)})?{_words(always)}"
    return re.compile(pattern.replace(r";\ ", r";\ (?:.*;\ )?"), re.DOTALL)


def _words(text: str) -> str:
    return _FIELD.sub(".*", re.escape(text))


def _entry(code: str) -> Json:
    severity, (sentence, hint, meaning, cause, remedy) = sentences.find(code)
    to_do = shown(hint)
    return {
        "code": code,
        "severity": severity,
        "sentence": shown(sentence),
        "meaning": meaning,
        "cause": cause,
        "remedy": remedy or (f"{to_do[:1].upper()}{to_do[1:]}." if to_do else ""),
    }


def shown(template: str) -> str:
    """A sentence with … in place of what differs from case to case."""
    return _FIELD.sub("…", template.replace("[", "").replace("]", ""))


def text(found: Json, style: Style) -> list[str]:
    """For a person."""
    lines: list[str] = []
    for entry in found["messages"]:
        lines += [*([""] if lines else []), f"{entry['code']} ({_KINDS[entry['severity']]})"]
        for name, field in (("says", "sentence"), ("means", "meaning"), ("cause", "cause"), ("what to do", "remedy")):
            lines += style.entry(name, entry[field]) if entry[field] else []
    return lines


_KINDS = {
    sentences.FAILURE: "a failure",
    sentences.WARNING: "a warning",
    sentences.STEP: "a step, or a part of other messages",
}
