"""A disk leaves the cluster: the guard watches it no more, so that nothing that happens to it resets this node."""

from __future__ import annotations

from .. import files, state_file
from ..errors import FenceError, Notice
from ..log import FAILURE, WARNING
from ..storage import device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def forget(name: str, say: Callable[[int, Notice], None], folder: str = state_file.FOLDER) -> int:
    """Remove the state file of the disk `name`: what the guard calls it, or a name of a disk that is there.

    The exit status; the disk is not asked for anything.
    """
    try:
        known = state_file.identities(folder)
        identity = name if name in known else device.resolve(name).stable_name()
        if identity not in known:
            raise FenceError("not-watched-anyway", disk=identity, folder=folder, disks=known)
        state_file.forget(identity, folder)
    except FenceError as error:
        say(FAILURE, error.notice())
        return 1
    except OSError as error:
        say(FAILURE, Notice("not-forgotten", {"disk": name, "answer": files.what_failed(error)}))
        return 1
    say(WARNING, Notice("forgotten", {"disk": identity}))
    return 0
