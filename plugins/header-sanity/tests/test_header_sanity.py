"""Header blocks by themselves, and the plugin in a hub."""

from email.utils import formatdate
from pathlib import Path

import pytest
from hub_plugin_header_sanity import faults
from hypothesis import given
from hypothesis import strategies as st

from hub import Message
from hub.testing.running import running_hub

NOW = 1_700_000_000.0
DAY = 86400
GOOD = {
    "From": "Bob <bob@example.org>",
    "To": "alice@example.test",
    "Date": formatdate(NOW),
    "Message-ID": "<1@example.org>",
    "Subject": "Hello",
}


def block(**changes: str | None) -> bytes:
    fields = {**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return ("".join(lines) + "\r\n").encode()


def found(head: bytes, *, utf8: bool = False) -> list[str]:
    return [fault for fault, _ in faults(Message(head, b"hello\r\n"), NOW, utf8=utf8)]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (block(), []),
        (block(From=None), ["no_from"]),
        (block(From="nobody"), ["no_from"]),
        (b"From: a@b.example\r\n" + block(), ["repeated"]),
        (b"SUBJECT: again\r\n" + block(), ["repeated"]),
        (b"Received: from a\r\nReceived: from b\r\n" + block(), []),
        (block(Date=None), ["no_date"]),
        (block(Date="yesterday"), ["bad_date"]),
        (block(Date="Mon, 99 Xyz 2023 99:99:99 +9999"), ["bad_date"]),
        (block(Date=formatdate(NOW + 2 * DAY)), ["future_date"]),
        (block(Date=formatdate(NOW - 31 * DAY)), ["old_date"]),
        (block(Message_ID=None), ["no_message_id"]),
        (block(To=None), ["no_recipient"]),
        (block(To=None, Cc="a@b.example"), []),
        (block(Subject="a\0b"), ["control"]),
        (block(Subject="grün"), ["eight_bit"]),
        (block(Subject="x" * 999), ["long_line"]),
        (b"\r\n", ["no_from", "no_message_id", "no_recipient", "no_date"]),
    ],
)
def test_each_fault_is_found_by_its_name(head: bytes, expected: list[str]) -> None:
    assert found(head) == expected


def test_octets_above_127_are_right_in_internationalised_mail() -> None:
    assert found(block(Subject="grün"), utf8=True) == []


@given(st.binary(max_size=2000))
def test_any_octets_have_some_faults_or_none(head: bytes) -> None:
    assert len(set(found(head + b"\r\n\r\n"))) == len(found(head + b"\r\n\r\n"))


@pytest.mark.proves("checks: malformed header blocks are scored, or refused")
async def test_faults_add_up_to_a_score_and_named_ones_refuse(tmp_path: Path) -> None:
    settings = {"reject": ["control"], "scores": {"no_date": 0, "no_message_id": 2, "no_from": 4}}
    tables = {"plugins": {"header-sanity": settings}}
    async with running_hub(tmp_path, plugins=["header-sanity"], tables=tables) as hub:
        assert (await hub.send("To: a@b.example\r\n\r\nhello\r\n"))[0] == 250
        (kept,) = await hub.mailbox("Junk")
        assert b"\r\nX-Hub-Checks: score +6; header-sanity: no From; header-sanity: no Message-ID\r\n" in kept
        code, text = await hub.send("From: a@b.example\r\nSubject: a\x01b\r\n\r\nhello\r\n")
        assert (code, text) == (
            554,
            "5.6.0 the header block is malformed: a control character in the header block",
        )
