"""'preflight' where it could do harm or lie: what it writes to, what it leaves, and what it says of what it did not see."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import DeviceRefused, FenceError
from fence_pr.storage import device
from fence_pr.tool import preflight, preflight_operator, preflight_refusal
from fence_pr.tool.cluster import FenceDevice
from fence_pr.tool.other_node import OtherNode
from fence_pr.tool.preflight_keys import ScratchKeys, foreign
from tests.model.lio import Lio
from tests.unit import tooling
from tests.unit.preflight_world import IDENTITY, NAME, SIZE, Site, Store, seen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITH = "--with=n2"
BLOCK = 4096


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Site]:
    return partial(Site, monkeypatch, capfd)


def once(raised: Exception) -> Callable[[], None]:
    """A fault that happens the first time alone."""
    left = [raised]

    def fault() -> None:
        if left:
            raise left.pop()

    return fault


# What it writes to


@pytest.mark.parametrize("step", ["restart", "relogin"])
def test_a_disk_without_identity_is_not_opened_again(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Its name may be another disk's by then, and nothing would tell."""
    site = make()
    site.identities = {"n1": ""}
    first, other = site.store, Store(Lio())
    other.unit.call("n9", "register", 0, 0x77)

    def renamed(_: str) -> str:
        site.store = other
        return ""

    monkeypatch.setattr(preflight_operator, "_run", renamed)
    site.fly("--write", f"--only={step}", f"--{step}=x")
    assert (other.blocks, other.unit.generation) == ({}, 1)
    assert first.unit.keys == {}


def test_a_hand_opens_no_disk_again_that_does_not_say_who_it_is(make: Callable[..., Site]) -> None:
    site = make()
    site.identities = {"n1": ""}
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    assert "outcome" not in hand.answer({"ask": "open"})
    assert hand.answer({"ask": "open"})["notice"]["code"] == "disk-became-another"


# What it leaves


# What it says
