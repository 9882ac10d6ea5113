"""Scenarios behind the kernels of `kernel_answers`: with their numbers, and without the ioctls that read."""

from __future__ import annotations

from typing import NamedTuple

from fence_pr.storage import device

from . import kernel_answers
from . import scenario as fault
from .ends import all_are_on, all_reached, one_is_left
from .kernel_answers import KERNELS, Replayed
from .lio import Lio
from .nvmet import Nvmet
from .runs import Call
from .scenario import BOTH, NO_FAULT, Faults, Scenario, Start
from .site import Kind
from .unit import INVALID

DISTURBED = Faults(1, (fault.LOST, fault.UNANSWERED, fault.REFUSED, fault.DISTURBED))


class WithoutAbort(Lio):
    """A target that does not know PREEMPT AND ABORT, as many in clouds and machines."""

    def _preempt_abort(self, nexus: str, *numbers: int) -> int:  # noqa: ARG002 - refused whatever they are
        return INVALID


class Column(NamedTuple):
    """Kernels with the same numbers for one transport."""

    versions: str
    answers: Replayed


def columns(rows: tuple[kernel_answers.Row, ...]) -> list[Column]:
    """Of neighbours that do not differ one."""
    found: list[Column] = []
    for number, kernels in enumerate(KERNELS):
        answers = kernel_answers.replayed(rows, number)
        if answers not in [it.answers for it in found]:
            found.append(Column(kernels.versions, answers))
    return found


def short() -> list[Scenario]:
    """Some thousand states."""
    return [
        *(it for column in columns(kernel_answers.SCSI) for it in _scsi(*column)),
        *(it for column in columns(kernel_answers.NVME) for it in _nvme(*column)),
    ]


def long() -> list[Scenario]:
    """About ten thousand states each."""
    return [
        _coming_back(f"Linux {versions}, SCSI", Kind(Lio, device.SCSI, answers=answers))
        for versions, answers in columns(kernel_answers.SCSI)
    ]


def _scsi(versions: str, answers: Replayed) -> list[Scenario]:
    lun, blunt = Kind(Lio, device.SCSI, answers=answers), Kind(WithoutAbort, device.SCSI, answers=answers)
    name = f"Linux {versions}, SCSI"
    return [
        *_of_kind(name, lun),
        Scenario(f"{name}: no abort, the pair", _PAIR, (blunt,), BOTH, NO_FAULT, one_is_left),
        Scenario(f"{name}: no abort, n1 fences n2", _FENCE, (blunt,), BOTH, DISTURBED, all_reached),
    ]


def _nvme(versions: str, answers: Replayed) -> list[Scenario]:
    name, namespace = f"Linux {versions}, NVMe", Kind(Nvmet, device.NVME, answers=answers)
    return [*_of_kind(name, namespace), _coming_back(name, namespace)]


def _of_kind(name: str, kind: Kind) -> list[Scenario]:
    return [
        Scenario(f"{name}: the pair", _PAIR, (kind,), BOTH, NO_FAULT, one_is_left),
        Scenario(f"{name}: n1 fences n2", _FENCE, (kind,), BOTH, DISTURBED, all_reached),
        Scenario(f"{name}: both come up", _COME, (kind,), Start((), 0), NO_FAULT, all_are_on),
    ]


def _coming_back(name: str, kind: Kind) -> Scenario:
    return Scenario(f"{name}: n2 comes back while n1 fences it", _COMES_BACK, (kind,), BOTH, DISTURBED)


_PAIR = (((Call("n1", "off", "n2"),),), ((Call("n2", "off", "n1"),),))
_FENCE = (((Call("n1", "off", "n2"),) * 2,),)
_COME = (((Call("n1", "on", "n1"),),), ((Call("n2", "on", "n2"),),))
_COMES_BACK = (((Call("n1", "off", "n2"),) * 2,), ((Call("n2", "on", "n2"),),))
