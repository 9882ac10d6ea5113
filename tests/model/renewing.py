"""Scenarios of a registration that LIO lists and does not go by: 'on' ends it and adds it again (`actions.renewal`).

A node that is fenced between the two, and so comes back although it was called off, breaks promise 1. Nothing tells it
of that, so it is no way that is explored (`promises.nothing_told`); docs/proof.md has it among what is trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import scenario as fault
from .ends import all_reached, all_write, nothing
from .runs import Call
from .scenario import NO_FAULT, Faults, Scenario, Start
from .site import NAMED
from .starts import n1_is_forgotten

if TYPE_CHECKING:
    from collections.abc import Callable

    from .scenario import End, Program

# A REGISTER that ends the registration, and is carried out when all is over, leaves the node without: nobody can recall
# what is sent.
RECALLED = tuple(it for it in fault.TRANSIENT if it != fault.LATE)


def scenarios() -> list[Scenario]:
    """All of them."""
    name, forgotten = "n1 runs on where LIO has forgotten it", Start(alter=n1_is_forgotten)
    on, fence, fenced = Call("n1", "on", "n1"), Call("n1", "off", "n2"), Call("n2", "off", "n1")
    two, cut = Faults(2, RECALLED), Faults(1, (fault.LOST, fault.UNANSWERED, fault.REFUSED, fault.KILLED))

    def made(what: str, check: Callable[[End], list[str]], *programs: Program, faults: Faults = NO_FAULT) -> Scenario:
        return Scenario(f"{name}{what}", programs, (NAMED,), forgotten, faults, check, exact=False)

    return [
        made("", all_write, ((on,),)),
        made(": two faults", all_write, ((on,) * 4,), faults=two),
        made(", and fences n2", all_reached, ((on,), (fence,))),
        made(" twice at once", all_write, ((on,) * 2,), ((on,) * 2,)),
        made(", while n2 fences it", nothing, ((on,),), ((fenced,) * 2,), faults=cut),
    ]
