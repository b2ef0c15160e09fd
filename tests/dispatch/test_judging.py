"""What is being judged is written down where it can be read after a death, for as long as it lasts."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.dispatch.deaths import ENOUGH, MOST, REMEMBERED, Deaths
from hub.dispatch.failure import Failure
from hub.dispatch.judging import (
    JUDGED,
    SIZE,
    Judged,
    Judging,
    Note,
    content_key,
    read_beats,
    read_notes,
    step_note,
)
from hub.mail.verdict import Accept

from .conftest import MakeStep

KEY = content_key(b"Subject: x\r\n\r\n", 10)
NAME = step_note("test (test.py:1)")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "hub.notes"


@pytest.fixture
async def judging(notes: Path) -> AsyncIterator[Judging]:
    """One that is open."""
    judging = Judging()
    judging.open(notes, {})
    yield judging
    judging.close()


async def test_a_step_notes_when_it_runs_and_when_it_waits(
    make_step: MakeStep, judging: Judging, notes: Path
) -> None:
    seen: list[list[Note]] = []
    going_on = asyncio.Event()

    async def check() -> Accept:
        seen.append(read_notes(notes))
        await going_on.wait()
        seen.append(read_notes(notes))
        return Accept()

    JUDGED.set(Judged(judging, KEY, "01message"))
    running = asyncio.ensure_future(make_step(check, judges=NAME).run(None, {}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    here = threading.get_ident()
    assert read_notes(notes) == [Note(KEY, "01message", "test (test.py:1)", False, here, on_loop=True)]
    going_on.set()
    assert await running == Accept()
    assert seen == [[Note(KEY, "01message", "test (test.py:1)", True, here, on_loop=True)]] * 2
    assert read_notes(notes) == []


async def test_a_plain_function_runs_as_long_as_it_is_in_its_thread(
    make_step: MakeStep, judging: Judging, notes: Path
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def check() -> None:
        entered.set()
        leave.wait(10)

    JUDGED.set(Judged(judging, KEY, "01message"))
    step = make_step(check, judges=NAME, timeout=0.01)
    assert isinstance(await step.run(None, {}), Failure)
    assert await asyncio.to_thread(entered.wait, 10)
    (note,) = read_notes(notes)
    assert note.running  # given up, and in there still
    assert not note.on_loop
    assert note.thread != threading.get_ident()
    leave.set()
    async with asyncio.timeout(10):
        while read_notes(notes):
            await asyncio.sleep(0)


@pytest.mark.parametrize("how", ["raises", "is cancelled", "is too slow", "never begins"])
async def test_however_a_step_ends_its_note_is_gone(
    make_step: MakeStep, judging: Judging, notes: Path, how: str
) -> None:
    async def check() -> None:
        if how == "raises":
            raise ValueError
        await asyncio.Event().wait()

    JUDGED.set(Judged(judging, KEY, "01message"))
    running = asyncio.ensure_future(make_step(check, judges=NAME, timeout=0.01).run(None, {}))
    if how in ("is cancelled", "never begins"):
        if how == "is cancelled":
            await asyncio.sleep(0)
        running.cancel()
    await asyncio.wait((running,))
    assert read_notes(notes) == []


async def test_more_steps_at_once_than_there_are_slots_run_all_the_same(
    make_step: MakeStep, judging: Judging, notes: Path
) -> None:
    slots = [judging.take(Judged(judging, KEY, "01message").note, NAME) for _ in range(2000)]
    assert len(read_notes(notes)) == 1023
    assert len(set(slots)) == 1023  # the last one is shared

    async def check() -> Accept:
        return Accept()

    JUDGED.set(Judged(judging, KEY, "01message"))
    assert await make_step(check, judges=NAME).run(None, {}) == Accept()
    for slot in slots:
        judging.free(slot)
    assert read_notes(notes) == []


async def test_a_step_that_is_given_no_message_is_not_noted(
    make_step: MakeStep, judging: Judging, notes: Path
) -> None:
    async def implementation() -> None:
        assert read_notes(notes) == []

    JUDGED.set(Judged(judging, KEY, "01message"))
    assert await make_step(implementation).run(None, {}) is None


async def test_the_heart_beats_while_the_loop_goes_on(judging: Judging, notes: Path) -> None:
    first = read_beats(notes)
    assert first >= 1
    async with asyncio.timeout(10):
        while read_beats(notes) == first:
            await asyncio.sleep(0.01)


async def test_who_ends_of_its_own_will_leaves_no_file(notes: Path) -> None:
    judging = Judging()
    judging.open(notes, {})
    assert notes.stat().st_mode & 0o777 == 0o600
    judging.close()
    assert not notes.exists()
    assert read_notes(notes) == []
    assert read_beats(notes) == 0


@pytest.mark.parametrize("content", [b"", b"hub-note", b"\xff" * SIZE, b"hub-note" + b"\xff" * (SIZE - 8)])
def test_whatever_stands_in_the_file_can_be_read(notes: Path, content: bytes) -> None:
    notes.write_bytes(content)
    assert isinstance(read_notes(notes), list)
    assert isinstance(read_beats(notes), int)


async def test_without_room_on_the_disk_nothing_is_opened(
    notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    judging = Judging()
    with pytest.raises(OSError, match="No space"):
        judging.open(notes, {})
    judging.free(judging.take(Judged(judging, KEY, "01message").note, NAME))  # it goes on without
    judging.close()


def test_a_message_is_known_again_by_its_header_block_and_size() -> None:
    assert content_key(b"a", 1) == content_key(b"a", 1)
    assert len({content_key(b"a", 1), content_key(b"a", 2), content_key(b"b", 1)}) == 3


# -- deaths ---------------------------------------------------------------------------------------------


def note(content: bytes = KEY, *, running: bool = True, plugin: str = "p (p.py:1)") -> Note:
    return Note(content, "01message", plugin, running)


def test_the_third_death_sets_a_message_aside_even_over_restarts(tmp_path: Path) -> None:
    for _ in range(ENOUGH - 1):
        deaths = Deaths(tmp_path)
        assert deaths.count([note()], "code 3", "File x") == {}
        assert deaths.set_aside() == {}
    deaths = Deaths(tmp_path)
    why = "the hub died 3 times while judging it in p (p.py:1); last: signal SIGSEGV"
    assert deaths.count([note()], "signal SIGSEGV") == {KEY: why}
    assert deaths.count([note()], "signal SIGSEGV") == {}  # known
    assert Deaths(tmp_path).set_aside() == {KEY: why}
    assert (tmp_path / "deaths.json").stat().st_mode & 0o777 == 0o600


def test_who_only_waited_is_not_to_blame_if_somebody_ran(tmp_path: Path) -> None:
    deaths, other = Deaths(tmp_path), content_key(b"other", 1)
    for _ in range(ENOUGH):
        deaths.count([note(), note(other, running=False)], "code 3")
    assert set(deaths.set_aside()) == {KEY}
    for _ in range(ENOUGH):
        deaths.count([note(other, running=False)], "code 3")
    assert set(deaths.set_aside()) == {KEY, other}


def test_one_death_counts_once_however_many_plugins_have_the_message(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    deaths.count([note(plugin="a (a.py:1)"), note(plugin="b (b.py:1)"), note(plugin="c (c.py:1)")], "code 3")
    assert deaths.set_aside() == {}


@pytest.mark.parametrize(
    ("suspects", "said"),
    [("ab", "a (a.py:1) or b (b.py:1)"), ("abcde", "a (a.py:1) or b (b.py:1) or c (c.py:1) or 2 more")],
)
def test_suspects_are_said_to_be_no_more_than_that(tmp_path: Path, suspects: str, said: str) -> None:
    deaths = Deaths(tmp_path)
    for _ in range(ENOUGH):
        deaths.count([note(plugin=f"{each} ({each}.py:1)") for each in suspects], "signal SIGKILL")
    (why,) = deaths.set_aside().values()
    assert why == f"the hub died 3 times while judging it in {said}; last: signal SIGKILL"


def test_of_a_stack_the_innermost_frames_of_who_crashed_are_kept(tmp_path: Path) -> None:
    idle = 'Thread 0x1 (most recent call first):\n  File "/idle.py", line 3 in wait\n'
    deep = '  File "/data/plugins.d/p.py", line 8 in check\n' + '  File "/deep.py", line 1 in f\n' * 1000
    Deaths(tmp_path).count(
        [note()], "code 3", f"{idle}\nCurrent thread 0x2 (most recent call first):\n{deep}"
    )
    kept = (tmp_path / "deaths.json").read_text()
    assert "p.py" in kept
    assert "idle.py" not in kept
    assert len(kept) < 5000


def test_why_is_one_line_of_ascii(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path)
    for _ in range(ENOUGH):
        deaths.count([note(plugin="p (é\r\nX-Evil: 1.py:1)")], "code 3")
    (why,) = deaths.set_aside().values()
    assert why.isascii()
    assert why.isprintable()


def test_deaths_are_forgotten_after_a_week_and_when_there_are_too_many(tmp_path: Path) -> None:
    now = 1e9
    deaths = Deaths(tmp_path, lambda: now)
    for _ in range(ENOUGH):
        deaths.count([note()], "code 3")
    for number in range(MOST - 1):
        deaths.count([note(content_key(b"other", number))], "code 3")
    assert KEY in Deaths(tmp_path, lambda: now).set_aside()
    deaths.count([note(content_key(b"one more", 1))], "code 3")
    assert KEY not in Deaths(tmp_path, lambda: now).set_aside()
    for _ in range(ENOUGH):
        deaths.count([note()], "code 3")
    now += REMEMBERED + 1
    assert deaths.set_aside() == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"zz": []}', '{"00": [{"x": 1}]}', '{"00": []}'])
def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "deaths.json").write_text(text)
    deaths = Deaths(tmp_path)
    assert deaths.set_aside() == {}
    deaths.count([note()], "code 3")
    assert KEY.hex() in (tmp_path / "deaths.json").read_text()


def test_a_folder_that_cannot_be_written_to_costs_the_file_alone(tmp_path: Path) -> None:
    deaths = Deaths(tmp_path / "gone")
    for _ in range(ENOUGH):
        deaths.count([note()], "code 3")
    assert set(deaths.set_aside()) == {KEY}


async def test_what_a_hub_that_died_as_a_whole_has_left_is_counted(tmp_path: Path) -> None:
    for name in ("worker-0.notes", "worker-1.notes"):
        judging = Judging()
        judging.open(tmp_path / name, {})
        judging.take(Judged(judging, content_key(name.encode(), 0), "01message").note, NAME)
        (tmp_path / name).rename(tmp_path / f"kept-{name}")  # as if nobody had closed it
        judging.close()
    deaths = Deaths(tmp_path)
    deaths.look_back()
    assert len((tmp_path / "deaths.json").read_text().split("01message")) == 3
    assert not list(tmp_path.glob("*.notes"))
