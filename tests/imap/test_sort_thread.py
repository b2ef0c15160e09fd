"""SEARCH, SORT and THREAD on generated mailboxes against models that take one message after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hub.imap.threads import Algorithm, Threaded, by_references, by_subject, render
from tests.imap.conftest import Client, _hub
from tests.property.growth import few

WORDS = ("alpha", "Beta", "gämma")
ADDRESSES = ("", "From: Zoe <ann@x>\r\n", "From: bob@x\r\n", 'From: "Ann B" <cid@x>\r\n')
MAIL = st.fixed_dictionaries(
    {
        "sender": st.sampled_from(ADDRESSES),
        "subject": st.sampled_from(("alpha", "Re: alpha", "beta", "[x] Fwd: Beta", "")),
        "day": st.integers(0, 5),
        "body": st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
        "seen": st.booleans(),
    }
)
LEAVES = (
    "SEEN", "UNSEEN", "ALL", "FROM ann", "SUBJECT alpha", "SUBJECT re:", "BODY beta", "BODY ga", "TEXT alpha",
    "UID 2:3", "SENTON 2-Jan-2026", "SENTSINCE 3-Jan-2026", "LARGER 90", 'HEADER From ""', "HEADER X-Y z",
)  # fmt: skip
KEYS = st.recursive(
    st.sampled_from(LEAVES),
    lambda keys: st.one_of(
        keys.map("NOT {}".format),
        st.tuples(keys, keys).map(lambda pair: f"OR {pair[0]} {pair[1]}"),
        st.tuples(keys, keys).map(lambda pair: f"({pair[0]} {pair[1]})"),
    ),
    max_leaves=5,
)


def octets(mail: dict[str, object]) -> bytes:
    date = f"Date: {mail['day']} Jan 2026 12:00:00 +0000\r\n" if mail["day"] else ""
    kind = "Content-Type: text/plain; charset=utf-8\r\n"
    return f"{mail['sender']}{date}Subject: {mail['subject']}\r\n{kind}\r\n{mail['body']}\r\n".encode()


def matches(key: str, number: int, mail: dict[str, object]) -> bool:
    """What one key means for one message."""
    subject, body, sender = (str(mail[name]).lower() for name in ("subject", "body", "sender"))
    message = octets(mail).decode().lower()
    day = int(str(mail["day"]))
    return {
        "SEEN": bool(mail["seen"]),
        "UNSEEN": not mail["seen"],
        "ALL": True,
        "FROM ann": "ann" in sender,
        "SUBJECT alpha": "alpha" in subject,
        "SUBJECT re:": "re:" in subject,
        "BODY beta": "beta" in body,
        "BODY ga": "gä" in body,  # the letter and its dots are two
        "TEXT alpha": "alpha" in message,
        "UID 2:3": number in (2, 3),
        "SENTON 2-Jan-2026": day == 2,
        "SENTSINCE 3-Jan-2026": day >= 3,
        "LARGER 90": len(octets(mail)) > 90,
        'HEADER From ""': bool(sender),
        "HEADER X-Y z": False,
    }[key]


def model(text: str) -> Callable[[int, dict[str, object]], bool]:
    """A key, taken apart by its first word."""
    found, rest = _model(text)
    assert not rest
    return found


def _model(text: str) -> tuple[Callable[[int, dict[str, object]], bool], str]:
    if text.startswith("NOT "):
        inner, rest = _model(text[4:])
        return (lambda number, mail: not inner(number, mail)), rest
    if text.startswith(("OR ", "(")):
        is_or = text.startswith("OR ")
        one, rest = _model(text[3 if is_or else 1 :])
        other, rest = _model(rest[1:])
        combine = any if is_or else all
        return (lambda number, mail: combine((one(number, mail), other(number, mail)))), rest[not is_or :]
    key = max((key for key in LEAVES if text.startswith(key)), key=len)
    return (lambda number, mail: matches(key, number, mail)), text[len(key) :]


async def filled(client: Client, mails: Sequence[dict[str, object]]) -> None:
    await client.command("DELETE generated")
    await client.ok("CREATE generated")
    for mail in mails:
        await client.append("generated", octets(mail), "\\Seen" if mail["seen"] else "")
    await client.ok("SELECT generated")


@pytest.mark.proves("imap: SEARCH and SORT find what a model finds that reads every message")
def test_search_and_sort_agree_with_the_model(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = _hub(tmp_path, "", {}, None)
        hub = runner.run(opened.__aenter__())
        client = runner.run(hub.logged_in())

        @settings(few, max_examples=40)
        @given(st.lists(MAIL, min_size=1, max_size=5), st.lists(KEYS, min_size=1, max_size=8))
        def check(mails: list[dict[str, object]], keys: list[str]) -> None:
            runner.run(filled(client, mails))
            for key in keys:
                wanted = model(key)
                expected = [at for at, mail in enumerate(mails, 1) if wanted(at, mail)]
                found = runner.run(client.ok(f"SEARCH {key}"))
                assert found == [" ".join(["* SEARCH", *map(str, expected)]).encode()], key
            dates = [0 if mail["day"] == 0 else mail["day"] for mail in mails]
            dated = [at for at, day in enumerate(dates, 1) if day]
            order = sorted(dated, key=lambda at: (-int(str(dates[at - 1])), at))
            numbers = ",".join(map(str, dated))
            if dated:
                found = runner.run(client.ok(f"SORT (REVERSE DATE) UTF-8 {numbers}"))
                assert found == [" ".join(["* SORT", *map(str, order)]).encode()]

        try:
            check()
        finally:
            runner.run(client.close())
            runner.run(opened.__aexit__(None, None, None))


# -- threads ---------------------------------------------------------------------------------------


def shown(messages: Sequence[Threaded], algorithm: Algorithm) -> str:
    return b"".join(piece for root in algorithm(messages) for piece in render(root)).decode()


def mail(number: int, subject: str = "", references: str = "", own: str = "", sent: int = 0) -> Threaded:
    """`Re:` marks a reply; ids are letters."""
    base = subject.removeprefix("Re:")
    ids = tuple(reference.encode() for reference in references)
    return Threaded(number, sent or number, base.encode(), base != subject, own.encode(), ids)


CASES = {
    "who answers whom": ([mail(1, own="a"), mail(2, "", "a", "b"), mail(3, "", "ab", "c")], "(1 2 3)"),
    "two answers": ([mail(1, own="a"), mail(2, "", "a"), mail(3, "", "a")], "(1 (2)(3))"),
    "what is missing in the middle": ([mail(1, own="a"), mail(2, "", "ax"), mail(3, "", "ay")], "(1 (2)(3))"),
    "what is missing at the top, once": ([mail(1, "", "x")], "(1)"),
    "what is missing at the top, for two": ([mail(1, "", "x"), mail(2, "", "x")], "((1)(2))"),
    "an id that was there before": ([mail(1, own="a"), mail(2, own="a"), mail(3, "", "a")], "(1 3)(2)"),
    "a loop": ([mail(1, "", "b", "a"), mail(2, "", "a", "b")], "(2 1)"),
    "an answer to itself": ([mail(1, "", "a", "a")], "(1)"),
    "the same subject, a reply": ([mail(1, "s"), mail(2, "Re:s")], "(1 2)"),
    "the same subject, the reply first": ([mail(1, "Re:s"), mail(2, "s")], "(2 1)"),
    "the same subject, no reply": ([mail(1, "s"), mail(2, "s")], "((1)(2))"),
    "no subject": ([mail(1), mail(2)], "(1)(2)"),
    "by date, not by number": ([mail(1, sent=9), mail(2, sent=5)], "(2)(1)"),
    "a dummy takes in the others": (
        [mail(1, "s", "x"), mail(2, "s", "x"), mail(3, "Re:s"), mail(4, "s", "y"), mail(5, "s", "y")],
        "((1)(2)(3)(4)(5))",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_threads_by_references(name: str) -> None:
    messages, expected = CASES[name]
    assert shown(messages, by_references) == expected


def test_threads_by_subject() -> None:
    messages = [mail(1, "b", sent=5), mail(2, "a", sent=9), mail(3, "b", sent=4), mail(4, "Re:b", sent=7)]
    assert shown(messages, by_subject) == "(3 (1)(4))(2)"


IDS = st.text("abcdef", max_size=4)


@given(
    st.lists(
        st.tuples(st.sampled_from(("", "s", "Re:s", "t")), IDS, st.sampled_from((*"abcdef", ""))), max_size=9
    )
)
@example([("s", "ab", "b"), ("s", "ba", "a")])
def test_every_message_is_in_one_thread(found: list[tuple[str, str, str]]) -> None:
    messages = [mail(number, *each) for number, each in enumerate(found, 1)]
    for algorithm in (by_references, by_subject):
        text = shown(messages, algorithm)
        numbers = text.replace("(", " ").replace(")", " ").split()
        assert sorted(map(int, numbers)) == list(range(1, len(messages) + 1))
        assert text.count("(") == text.count(")")


def test_a_thread_as_long_as_the_mailbox_is_told() -> None:
    size = 20_000
    numbers = range(1, size + 1)
    messages = [Threaded(at, at, b"", False, b"%d" % at, (b"%d" % (at - 1),)) for at in numbers]
    assert shown(messages, by_references) == f"({' '.join(map(str, numbers))})"
