"""The parts of a pre-flight: numbered blocks, what stands on a disk, the other node's end, and the page."""

from __future__ import annotations

import html.parser
import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fence_pr.errors import FenceError, Notice
from fence_pr.storage.device import SCSI, Device
from fence_pr.tool.preflight import blocks as preflight_blocks
from fence_pr.tool.preflight import operator as preflight_operator
from fence_pr.tool.preflight import other_node
from fence_pr.tool.preflight import signature as preflight_signature
from fence_pr.tool.preflight import subcommand as preflight
from fence_pr.tool.preflight.blocks import BLOCK, SLOTS, Area, Direct, block, number_of, numbers
from fence_pr.tool.preflight.hand import Hand
from fence_pr.tool.preflight.other_node import OtherNode
from fence_pr.tool.preflight.stream import Stream
from tests.unit.preflight_world import NAME, SIZE, Site, seen

if TYPE_CHECKING:
    from pathlib import Path

RUN = "0123456789abcdef"
ZEROS = bytes(SIZE)


def test_a_block_says_which_it_is_and_a_torn_one_is_none() -> None:
    data = block(RUN, 77)
    assert (len(data), number_of(RUN, data), number_of("f" * 16, data)) == (BLOCK, 77, 0)
    for torn in (data[:-1] + b"x", data[:2048] + block(RUN, 78)[2048:], bytes(BLOCK)):
        assert number_of(RUN, torn) == 0
    assert list(numbers(RUN, bytes(BLOCK) + data)) == [0, 77]
    assert preflight_blocks.is_ours(data)


def test_blocks_are_written_in_the_middle_of_the_disk() -> None:
    for size in (4 << 20, 10 << 20, (1 << 40) + 512):
        offset = Area.of(size).offset
        assert offset % (1 << 20) == 0
        assert 1 << 20 <= offset <= size - (2 << 20)
    with pytest.raises(ValueError, match="only 4194303 bytes"):
        Area.of((4 << 20) - 1)


def test_a_stream_never_overtakes_itself_in_one_place() -> None:
    written: list[int] = []

    class Disk:
        def write(self, offset: int, data: bytes) -> None:
            number = number_of(RUN, data)
            assert offset == number % SLOTS * BLOCK
            written.append(number)

    stream = Stream(Disk(), Area(0), RUN, 5, 60.0)
    while stream.landed() < 2000:
        pass
    assert stream.stop(5) == 0
    assert len(set(written)) == len(written) == len(stream.record)
    assert min(written) == SLOTS
    for place in range(SLOTS):
        here = [it for it in written if it % SLOTS == place]
        assert here == sorted(here)


class File(Direct):
    """A file in place of a device node."""

    def size(self) -> int:
        return os.path.getsize(self._node)

    def _fd(self, mode: int) -> int:
        self._fds.setdefault(mode, os.open(self._node, mode))
        return self._fds[mode]


def disk(tmp_path: Path, **pieces: bytes) -> File:
    """at_OFFSET=content; before the end: end_OFFSET."""
    content = bytearray(ZEROS)
    for place, piece in pieces.items():
        where, _, number = place.partition("_")
        at = int(number) if where == "at" else SIZE - int(number)
        content[at : at + len(piece)] = piece
    (tmp_path / "disk").write_bytes(content)
    return File(str(tmp_path / "disk"))


# Written down once more, from what the programs make that make them.
CONTENT = (
    ({"at_510": b"\x55\xaa"}, "MBR"),
    ({"at_512": b"EFI PART"}, "GPT"),
    ({"end_512": b"EFI PART"}, "GPT"),
    ({"at_512": b"LABELONE\1\0\0\0"}, "LVM"),
    ({"at_1080": b"\x53\xef"}, "ext2"),
    ({"at_0": b"XFSB\0\0\x10\0"}, "XFS"),
    ({"at_65600": b"_BHRfS_M"}, "btrfs"),
    ({"at_65536": b"\x01\x16\x19\x70"}, "GFS2"),
    ({"at_8192": b"OCFSV2"}, "OCFS2"),
    ({"at_4086": b"SWAPSPACE2"}, "swap"),
    ({"at_0": b"LUKS\xba\xbe\0\2"}, "LUKS"),
    ({"at_4096": b"\xfc\x4e\x2b\xa9"}, "RAID"),
    ({"end_8192": b"\xfc\x4e\x2b\xa9"}, "RAID"),
    ({"at_131072": b"\x0c\xb1\xba\0\0\0\0\0"}, "ZFS"),
    ({"at_0": b"SBD_SBD_"}, "SBD"),
)


@pytest.mark.parametrize(("pieces", "name"), CONTENT, ids=[name for _, name in CONTENT])
def test_what_stands_on_a_disk_is_known_by_its_look(tmp_path: Path, pieces: dict[str, bytes], name: str) -> None:
    (reason,) = preflight_signature.by_reading(disk(tmp_path, **pieces))
    assert reason.code == "disk-has-signature"
    assert name in reason.what()


def test_what_nobody_knows_is_no_empty_disk_and_an_own_block_is(tmp_path: Path) -> None:
    for pieces in ({"at_700000": b"x"}, {"end_4": b"data"}):
        assert [it.code for it in preflight_signature.by_reading(disk(tmp_path, **pieces))] == ["disk-has-content"]
    assert preflight_signature.by_reading(disk(tmp_path, at_8192=block(RUN, 5))) == ()
    assert preflight_signature.by_reading(disk(tmp_path)) == ()


@pytest.mark.parametrize(
    ("name", "script", "said"),
    [
        ("blkid", "echo DEVNAME=x; echo TYPE=xfs; echo PTTYPE=gpt", ["xfs, says blkid", "gpt, says blkid"]),
        ("blkid", "exit 2", []),
        ("blkid", "exit 8", ["several that contradict each other, says blkid"]),
        ("blkid", "echo no right >&2; exit 1", ["{program} does not say what stands on it: no right"]),
        ("wipefs", "echo LVM2_member", ["LVM2_member, says wipefs"]),
        ("wipefs", "", []),
        ("wipefs", "exit 1", ["{program} does not say what stands on it: it ended with 1"]),
    ],
)
def test_blkid_or_wipefs_is_asked_and_what_they_do_not_say_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str, said: list[str]
) -> None:
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight_signature, "_FOLDERS", "")
    wanted = [it.format(program=program) for it in said]
    assert [it.what() for it in preflight_signature.of_disk("x", disk(tmp_path)).reasons] == wanted


def test_a_program_that_cannot_be_started_or_hangs_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blkid").write_text("no program")
    (tmp_path / "blkid").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(preflight_signature, "_FOLDERS", "")
    assert [it.code for it in preflight_signature.by_program("x")] == ["signature-untold"]
    (tmp_path / "blkid").unlink()
    assert preflight_signature.by_program("x") == ()


def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    program = tmp_path / "program"
    program.write_text(f"#!{sys.executable}\nimport sys, json, time\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "argv", [str(program)])
    return program


ECHO = "for line in sys.stdin:\n    print(json.dumps({'said': json.loads(line), 'argv': sys.argv[1:]}), flush=True)\n"


def test_the_other_end_answers_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = remote(tmp_path, monkeypatch, ECHO)
    here = OtherNode("n1", "", ["a b"])
    assert here.ask({"ask": "x"}, 5) == {"said": {"ask": "x"}, "argv": ["a b"]}
    here.send({"ask": "y"})
    here.send({"ask": "z"})
    assert [here.hear("", 5)["said"]["ask"] for _ in "yz"] == ["y", "z"]
    here.close(5)
    there = OtherNode("n2", f"{program} -p '1 2'", ["preflight", "--", "/dev/a b"])
    assert there.ask({}, 5)["argv"] == ["-p", "1 2", "n2", "pr_fence preflight -- '/dev/a b'"]
    there.close(5)


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("time.sleep(20)", "other-node-silent", "none within 0.3 s"),
        ("sys.exit('ssh: no route')", "other-node-unreachable", "ssh: no route"),
        ("sys.exit(3)", "other-node-unreachable", "it ended without a word"),
        ("print('Welcome!', flush=True); time.sleep(20)", "other-node-unreachable", "Welcome!"),
    ],
)
def test_an_end_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, code: str, said: str
) -> None:
    remote(tmp_path, monkeypatch, body)
    node = OtherNode("n2", "", [])
    with pytest.raises(FenceError) as caught:
        node.ask({"ask": "open"}, 0.3 if "silent" in code else 5)
    assert caught.value.code == code
    assert said in str(caught.value)
    node.close(0.1)


def test_a_remote_shell_that_is_not_there_is_told() -> None:
    with pytest.raises(FenceError, match="No such file"):
        OtherNode("n2", "/no/ssh", [])


def test_whoever_serves_ends_with_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b'{"ask": 1}\n{"ask"')
    os.write(writing, b": 2}\n")
    os.close(writing)
    said: list[bytes] = []
    read = os.read

    def heard(_fd: int, data: bytes) -> int:
        said.append(data)
        return len(data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "read", lambda _fd, size: read(reading, min(size, 7)))
        patched.setattr(os, "write", heard)
        other_node.serve(lambda question: {"twice": question["ask"] * 2})
    os.close(reading)
    assert [json.loads(it) for it in said] == [{"twice": 2}, {"twice": 4}]


def test_the_other_end_takes_away_what_it_left(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """The call --other-end, whose input ends in the middle."""
    from fence_pr.tool import main
    from fence_pr.tool.preflight import hand as preflight_hand

    site = Site(monkeypatch, capfd)
    site.nexuses = {"n1": "n1"}
    hand = preflight.reach("", "", NAME)._hand  # type: ignore[attr-defined]
    monkeypatch.setattr(preflight_hand, "Hand", lambda _name: hand)

    def serve(answer: Any) -> None:
        for question in ({"ask": "open"}, {"ask": "keep"}, {"ask": "register", "old": 0, "key": 5}):
            assert answer(question).get("outcome", "done") == "done"
        answer({"ask": "stream", "run": RUN, "first": 1, "offset": 0, "seconds": 60})
        assert site.unit.keys
        raise BrokenPipeError

    monkeypatch.setattr(preflight, "serve", serve)
    with pytest.raises(BrokenPipeError):
        main.main(["preflight", "--other-end", NAME])
    assert site.free()


def test_a_command_of_the_operator_is_a_shells() -> None:
    assert preflight_operator._run("exit 3") == "it ended with 3"
    assert preflight_operator._run("true") == ""


def test_a_disk_that_comes_back_late_is_waited_for(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    site = Site(monkeypatch, capfd)
    monkeypatch.setattr(preflight_operator, "_PAUSE_SECONDS", 0)
    opened: list[int] = []
    right = Hand.do_open

    def slow(self: Hand) -> Any:
        opened.append(1)
        if len(opened) in (2, 3):
            raise FenceError("device-missing", disk=NAME)
        return right(self)

    monkeypatch.setattr(Hand, "do_open", slow)
    report = site.fly("--write", "--only=restart", "--restart=true")
    assert seen(report, "PASS")["restart"] == ["registrations-outlive-a-restart"]
    assert len(opened) == 4


class Page(html.parser.HTMLParser):
    """What stands in a page. open: tags that were not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.said: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, capfd: Any, tmp_path: Path) -> tuple[dict[str, Any], str]:
    site = Site(monkeypatch, capfd)
    site.store.hold, site.store.aborts = 0.02, False
    report = site.fly("--with=n2", f"--html={tmp_path}/page.html", "--only=abort-holder,abort-registrant,register")
    assert report["found"]["page"] == {"file": f"{tmp_path}/page.html", "problem": None}
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o644
    return report, (tmp_path / "page.html").read_text()


def test_the_page_has_everything_in_it_and_needs_nothing_else(page: tuple[dict[str, Any], str]) -> None:
    report, text = page
    read = Page(text)
    assert read.open == []
    assert read.tags.count("svg") == len(report["found"]["streams"]) == 2
    assert "script" not in read.tags
    assert read.links == ["data:,"]
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    said = " ".join(read.said)
    for step in report["found"]["steps"]:
        assert step["title"] in said
        assert all(it["text"] in said for it in step["seen"])
    assert "landed too late" in said
    assert 'class="late"' in text


def test_names_of_others_are_words_on_the_page(page: tuple[dict[str, Any], str]) -> None:
    from fence_pr.tool.preflight import page as preflight_page

    report, _ = page
    report["found"]["disk"] = report["found"]["nodes"][0]["node"] = "<script>alert(1)</script>"
    report["found"]["refused"] = {"text": "<b>"}
    text = preflight_page.page(report)
    assert "<script>" not in text
    assert Page(text).open == []


def test_a_page_that_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    site = Site(monkeypatch, capfd)
    report = site.fly("--html=/no/page.html")
    assert report["exit_status"] == 1
    assert [it["code"] for it in report["problems"]] == ["page-unwritable"]


def test_without_latencies_and_with_long_ones_there_is_a_page(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    from fence_pr.tool.preflight import page as preflight_page
    from fence_pr.tool.preflight import plot as preflight_plot

    site = Site(monkeypatch, capfd)
    assert "How long" not in preflight_page.page(site.fly())
    stream = {"name": "x", "aborting": True, "sent": -45.0, "unsure": 0.0, "landed_later": [[7, 31.0]], "writes": [
        [7, -50.0, 31.0, "ok"], [8, -0.1, 0.0, "EBADE"]]}  # fmt: skip
    picture = preflight_plot.picture(stream)
    assert "100 s" in picture
    assert picture.count('class="late"') == 2


def test_a_device_of_a_hand_is_one_of_the_kernel(tmp_path: Path) -> None:
    """Size, reads and writes of a real node need a kernel: the lab has them. Here: what is refused."""
    (tmp_path / "file").write_bytes(ZEROS)
    with pytest.raises(OSError, match="ioctl"):
        Direct(str(tmp_path / "file")).size()
    assert Device(NAME, "/dev/x", "", SCSI).stable_name() == "/dev/x"
    assert Notice("disk-has-content", {}).what()
