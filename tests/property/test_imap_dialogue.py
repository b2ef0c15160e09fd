"""Whatever arrives at an IMAP listener, however it is cut into packets: the same well-formed responses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hub.config.tables.listeners import Listener
from hub.imap.program import Program
from hub.imap.replies import Refused
from hub.imap.server import factory
from hub.imap.tokens import Reader
from tests.imap.conftest import _hub
from tests.imap.test_tokens import READS
from tests.imap.views import view_of
from tests.property.growth import assert_linear, few, repeated
from tests.property.wire import cut, said

COMMANDS = (
    b"a LOGIN alice@example.test demo", b"a EXAMINE INBOX", b"a FETCH 1:* ", b"a UID FETCH 1 ", b"a SEARCH ",
    b"a UID SEARCH ", b"a STATUS INBOX (MESSAGES)", b'a LIST "" *', b"a NOOP", b"a CHECK", b"a IDLE", b"DONE",
    b"a STORE 1 FLAGS (", b"a COPY 1 nowhere", b"a APPEND nowhere {3}\r\nabc",
    b"a APPEND nowhere {3+}\r\nabc",
    b"a APPEND nowhere (\\Seen) ", b"a LOGOUT", b"a CAPABILITY", b"a STARTTLS", b"a AUTHENTICATE PLAIN",
    b"a ID NIL", b"a NAMESPACE", b"a ENABLE CONDSTORE", b"a CLOSE", b"a LSUB x %",
    b"a LOGIN {5}\r\nalice {4+}\r\ndemo",
    b"a LOGIN {9000+}\r\n",
)  # fmt: skip
WORDS = (
    b" ", b"(", b")", b"[", b"]", b"<", b">", b"{", b"}", b"{0}\r\n", b"{2+}\r\nab", b"{99999999+}", b'"',
    b"\\",
    b"*", b":", b",", b"1", b"0", b"4294967296", b"-", b"+", b".", b"%", b"&", b"&AOk-", b"NIL", b"BODY[",
    b"TEXT",
    b"HEADER.FIELDS (", b"ENVELOPE", b"FLAGS", b"UID", b"OR", b"NOT", b"SUBJECT", b"SINCE 1-Feb-2026",
    b"CHARSET UTF-8",
    b"1-Feb-2026", b'"01-Feb-2026 12:00:00 +0100"', b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b"\xff",
    b"x" * 300,
    b"x" * 9000, b"b ", b"ALL", b"\\Seen",
)  # fmt: skip
STREAM = st.lists(
    st.sampled_from(COMMANDS).map(lambda command: command + b"\r\n") | st.sampled_from((*COMMANDS, *WORDS)),
    max_size=14,
).map(b"".join)
CUTS = st.lists(st.integers(0, 1 << 20), max_size=12)
RESPONSE = re.compile(rb"(?:[^\r\n{]|\{(?!\d+\}\r\n)|\{\d+\}\r\n)*+\r\n")
PIECE = st.lists(st.sampled_from(WORDS[:44]), max_size=4).map(b"".join)
MESSAGE = b"Subject: x\r\n\r\ny\r\n"


@pytest.mark.proves("imap: responses are the same however a client's octets are cut into packets")
def test_responses_do_not_depend_on_how_octets_arrive(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opened = _hub(tmp_path, "", {}, None)
        hub = runner.run(opened.__aenter__())
        listener = Listener(protocol="imap", bind=("127.0.0.1:0",), tls="none")
        make = cast("Callable[[], asyncio.BaseProtocol]", factory(hub.kernel, "imap", listener))

        async def deliver() -> None:
            async with await hub.logged_in() as client:
                await client.append("INBOX", MESSAGE)

        @settings(few, max_examples=150)
        @given(STREAM, CUTS, st.booleans())
        @example(b"a LOGIN {5+}\r\nalice {4}\r\n", [12], False)
        @example(b"a NOOP\r\n" + b"x" * 9000 + b"\r\nb NOOP\r\n", [8200, 9007], False)
        def check(stream: bytes, cuts: list[int], login: bool) -> None:
            stream = COMMANDS[0] + b"\r\n" + COMMANDS[1] + b"\r\n" + stream if login else stream
            with capture_logs() as logs:
                whole = runner.run(said(make, [stream] if stream else []))
                split = runner.run(said(make, cut(stream, cuts)))
            assert whole == split
            assert logs == []
            for line in whole.splitlines(keepends=True):
                assert RESPONSE.fullmatch(line), line

        try:
            runner.run(deliver())
            check()
        finally:
            runner.run(opened.__aexit__(None, None, None))


def read(parse: Callable[[Reader], object]) -> Callable[[bytes], None]:
    def attempt(octets: bytes) -> None:
        line, _, _ = octets.partition(b"\n")
        with suppress(Refused):
            parse(Reader([line], []))

    return attempt


VIEW = view_of([1, 2])


def search(reader: Reader) -> object:
    return Program(reader, VIEW, 0).read()


PARSERS = (*READS, search)


@pytest.mark.parametrize("parse", PARSERS)
def test_four_times_the_arguments_take_four_times_the_work(parse: Callable[[Reader], object]) -> None:
    @few
    @given(repeated(PIECE))
    def check(make: Callable[[int], bytes]) -> None:
        assert_linear(read(parse), make)

    check()


TRAPS: tuple[Callable[[int], bytes], ...] = (
    lambda size: b'"' + b'\\"' * (size // 2),
    lambda size: b'"' + b"a" * size,
    lambda size: b"(" + b"a " * (size // 2),
    lambda size: b"1," * (size // 2) + b"x",
    lambda size: b"1:*," * (size // 4) + b"1",
    lambda size: b"9" * size,
    lambda size: b"&" * size,
    lambda size: b"&AOk-" * (size // 5),
    lambda size: b"&AOk" * (size // 4) + b"-",
    lambda size: b"BODY[" + b"1." * (size // 2) + b"1]",
    lambda size: b"BODY[HEADER.FIELDS (" + b"a " * (size // 2) + b")]",
    lambda size: b"(" + b"BODY[]" * (size // 6),
    lambda size: b" " + b"(" * size,
    lambda size: b" " + b"OR " * (size // 3),
    lambda size: b" " + b"NOT " * (size // 4),
    lambda size: b" " + b"1:* " * (size // 4),
    lambda size: b" " * size,
)


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_for_parsers_take_linear_time(trap: Callable[[int], bytes]) -> None:
    for parse in PARSERS:
        assert_linear(read(parse), trap)
