"""The commands of README.md and docs/*.md, a document at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.programs import documented

if TYPE_CHECKING:
    from tests.documents.commands import Command
    from tests.programs.machine import Machine


@pytest.mark.parametrize("commands", documented.by_document().values(), ids=documented.by_document().keys())
def test_what_the_documents_tell_people_to_do_does_what_they_say(machine: Machine, commands: list[Command]) -> None:
    machine.let_in("n1", documented.SCSI)
    for command in commands:
        documented.run(machine, command)
