"""What this machine has no more of: memory, processes, files. Whatever met the want tells of it in the same words."""

from __future__ import annotations

import errno

from .errors import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LACKING = {
    errno.ENOMEM: "no-memory",
    errno.EMFILE: "process-files-exhausted",
    errno.ENFILE: "system-files-exhausted",
}


def lacking(error: BaseException) -> Notice | None:
    """What this machine has no more of, where that is what the error means; of processes see `why_not_started`."""
    if isinstance(error, MemoryError):
        return Notice(_LACKING[errno.ENOMEM], {})
    code = _LACKING.get(error.errno or 0) if isinstance(error, OSError) else None
    return Notice(code, {}) if code else None


def why_not_started(error: OSError) -> dict[str, Any] | str:
    """What a message says of a process that could not be started, as a field of it."""
    lack = Notice("no-process", {}) if error.errno == errno.EAGAIN else lacking(error)
    return lack.pack() if lack else error.strerror or str(error)
