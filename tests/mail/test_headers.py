"""The header scanner: offsets fit the octets, lookups agree with the table, and no octets make it stumble."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, compat32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.headers import Headers, split_head

BLOCK = (
    b"Received: from a\r\n\tby b\r\n"
    b"Subject: =?utf-8?q?h=C3=A4?=\r\n =?utf-8?q?_h?=  \r\n"
    b"X-Empty:\r\n"
    b"received : from c\r\n"
    b"no colon here\r\n"
    b"To: bob@example.test\r\n"
    b"\r\n"
)


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"A: b\r\n\r\nbody", 8),
        (b"A: b\n\nbody", 6),
        (b"A: b\r\n\nbody", 7),
        (b"A: b\n\r\nbody", 7),
        (b"\r\nbody", 2),
        (b"\nbody", 1),
        (b"A: b\r\n", 6),
        (b"A: b", 4),
        (b"", 0),
        (b"\r", 1),
        (b"A: b\r\n \r\nC: d\r\n\r\nbody", 17),  # a line of blanks only is a fold
        (b"A: b\n\nbody\r\n\r\n", 6),
    ],
)
def test_the_body_begins_after_the_first_blank_line(data: bytes, offset: int) -> None:
    assert split_head(data) == offset


def test_lookup_ignores_case_and_unfolds() -> None:
    headers = Headers(BLOCK)
    assert headers.get("SUBJECT") == "hä h"
    assert headers.raw("subject") == b"=?utf-8?q?h=C3=A4?= =?utf-8?q?_h?="
    assert headers.raw("x-empty") == b""
    assert headers.raw_all("Received") == [b"from a\tby b", b"from c"]
    assert headers.get_all("received") == ["from a\tby b", "from c"]
    assert headers.get("Cc") is None
    assert headers.get_all("Cc") == []
    assert "to" in headers
    assert "cc" not in headers
    assert headers.names() == ["Received", "Subject", "X-Empty", "received", "To"]


@pytest.mark.parametrize(
    "name", ["", " ", "Sub ject", "Subject:", "Subject\r\nTo", "\nSubject", "Sübject", "bob"]
)
def test_what_is_no_name_is_not_found(name: str) -> None:
    assert Headers(BLOCK).raw(name) is None


def test_iteration_gives_octets_as_they_stand() -> None:
    assert list(Headers(BLOCK))[:3] == [
        (b"Received", b" from a\r\n\tby b"),
        (b"Subject", b" =?utf-8?q?h=C3=A4?=\r\n =?utf-8?q?_h?=  "),
        (b"X-Empty", b""),
    ]


def test_a_line_without_colon_is_kept_as_garbage() -> None:
    headers = Headers(BLOCK)
    garbage = [field for field in headers.fields if field.name_start == field.name_end]
    assert [headers.block[field.value_start : field.value_end] for field in garbage] == [b"no colon here"]


def test_fields_can_be_chosen_and_left_out() -> None:
    headers = Headers(BLOCK)
    assert headers.select(["TO", "x-empty"]) == b"X-Empty:\r\nTo: bob@example.test\r\n"
    assert headers.omit(["received", "Subject"]) == b"X-Empty:\r\nno colon here\r\nTo: bob@example.test\r\n"
    assert headers.select([]) == b""


def test_the_body_is_not_searched() -> None:
    headers = Headers(b"A: b\r\n\r\nSubject: no\r\n")
    assert "Subject" not in headers
    assert len(headers.fields) == 1


@pytest.mark.parametrize(
    ("block", "values"),
    [
        (b"A: 1\nA:2\n", [b"1", b"2"]),
        (b"A: 1\n 2\n\t3", [b"1 2\t3"]),
        (b" A: 1\r\nA: 2\r\n", [b"2"]),  # the first line continues nothing
        (b"A\t : 1", [b"1"]),
        (b"A:\r\n 1\r\n", [b"1"]),
        (b"B: 1\rA: 2\r\n", []),  # a bare CR ends no line
        (b"From a@b Mon Jan  1 00:00:00\nA: 1\n", [b"1"]),
        (b"A: x\x00y\xff\r\n", [b"x\x00y\xff"]),
        (b"AA: 1\r\nA A: 2\r\n: 3\r\n", []),
        (b"A", []),
        (b"A\nA: 1\n", [b"1"]),
        (b"\r\nA: 1\r\n", []),
        (b"", []),
    ],
)
def test_what_is_found_in_malformed_blocks(block: bytes, values: list[bytes]) -> None:
    headers = Headers(block)
    assert headers.raw_all("a") == values
    assert [bytes(value).replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t\r")
            for name, value in headers if name.lower() == b"a"] == values  # fmt: skip


_LINES = st.lists(
    st.sampled_from([b"A", b"a", b"B", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"x", b"\0", b"\xff"])
)


@given(st.binary(max_size=120) | _LINES.map(b"".join))
def test_lookup_and_table_agree_on_any_octets(block: bytes) -> None:
    headers = Headers(block)
    fields = headers.fields
    end = 0
    for field in fields:
        assert field.name_start == end  # no octet between two fields
        assert field.name_start <= field.name_end <= field.value_start <= field.value_end <= field.end
        assert field.end > end
        end = field.end
    assert headers.block[end:].strip(b"\r\n") == b""
    assert headers.select([]) + headers.omit([]) == headers.block[:end]
    for name in (b"a", b"b", b"x"):
        table = [value for key, value in headers if key.lower() == name]
        assert len(headers.raw_all(name.decode())) == len(table)
        assert (name.decode() in headers) == bool(table)
    some = {name: values for name, values in headers.table.items() if name in (b"a", b"x")}
    assert Headers(block).few((b"a", b"x")) == some


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True),
            st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100),
        ),
        max_size=10,
    )
)
def test_well_formed_headers_read_as_the_standard_library_reads_them(pairs: list[tuple[str, str]]) -> None:
    block = "".join(f"{name}: {value}\r\n" for name, value in pairs).encode() + b"\r\n"
    theirs = message_from_bytes(block, policy=compat32)
    ours = Headers(block)
    assert ours.names() == theirs.keys()
    for name in theirs:
        assert [value.decode() for value in ours.raw_all(name)] == theirs.get_all(name)


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200))
def test_text_that_the_standard_library_folds_and_encodes_comes_back(subject: str) -> None:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    ours = Headers(message.as_bytes()).get("subject")
    theirs = str(message_from_bytes(message.as_bytes(), policy=SMTP)["Subject"])
    assert ours is not None
    assert ours.split() == theirs.split()


def test_a_header_bomb_costs_no_more_than_its_fields(steps: Callable[[Callable[[], object]], int]) -> None:
    def work(count: int) -> int:
        block = b"".join(b"X-%d: y\r\n" % i for i in range(count)) + b"Last: z\r\n\r\n"
        headers = Headers(block)
        assert headers.raw("last") == b"z"
        assert len(headers.fields) == count + 1
        return steps(lambda: (Headers(block).raw("last"), Headers(block).fields))

    assert work(40_000) <= 4.2 * work(10_000)  # a collection of garbage may fall into one of them


@pytest.mark.parametrize(
    "unit", [b"A", b" ", b"A ", b"A:\r\n ", b"\r", b"\r\n ", b":", b"a\r\n", b"a \t", b"\0"]
)
def test_a_megabyte_of_anything_is_scanned_without_going_back(unit: bytes) -> None:
    # Quadratic work on any of these would run into the suite's time limit.
    block = b"x: " + unit * (1_000_000 // len(unit))
    headers = Headers(block)
    assert headers.raw("nowhere") is None
    assert headers.fields[-1].end == len(headers.block)


def test_a_hundred_thousand_fields_of_one_name_are_all_found() -> None:
    assert len(Headers(b"A: b\n" * 100_000).raw_all("a")) == 100_000


def test_a_block_without_some_of_its_fields_is_the_rest_of_it() -> None:
    headers = Headers(BLOCK)
    assert headers.without(()) == BLOCK
    assert headers.without({0, 4}) == BLOCK.replace(b"Received: from a\r\n\tby b\r\n", b"").replace(
        b"no colon here\r\n", b""
    )
    assert Headers(b"\r\n").without({0}) == b"\r\n"
