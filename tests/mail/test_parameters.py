"""Parameters of Content-Type and Content-Disposition, split, quoted, continued and broken."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.parameters import find_parameter, joined, parse_value


@pytest.mark.parametrize(
    ("value", "main", "parameters"),
    [
        (b"text/plain", b"text/plain", ()),
        (b"text/plain;", b"text/plain", ()),
        (b"", b"", ()),
        (b' text/plain ; Charset = "utf-8" ; format=flowed', b"text/plain",
         ((b"Charset", b"utf-8"), (b"format", b"flowed"))),
        (b'a/b; name="a;b\\"c"; x=y', b"a/b", ((b"name", b'a;b"c'), (b"x", b"y"))),
        (b"a/b (x; y=z); (c) n=v (d)", b"a/b", ((b"n", b"v"),)),
        (b"(c) a/b", b"a/b", ()),
        (b"attachment; filename=my file.pdf; size=3", b"attachment",
         ((b"filename", b"my file.pdf"), (b"size", b"3"))),
        (b'a/b; name="unclosed; x=y', b"a/b", ((b"name", b"unclosed; x=y"),)),
        (b"a/b; junk; =; x; n=v", b"a/b", ((b"n", b"v"),)),
        (b'a/b; n="v" junk; m=w', b"a/b", ((b"n", b"v"), (b"m", b"w"))),
        (b'a/b;n="";m=', b"a/b", ((b"n", b""), (b"m", b""))),
    ],
)  # fmt: skip
def test_a_value_is_split(value: bytes, main: bytes, parameters: tuple[tuple[bytes, bytes], ...]) -> None:
    assert parse_value(value) == (main, parameters)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"a; name=x", "x"),
        (b"a; NAME=x; name=y", "x"),
        (b"a; names=x", None),
        (b"a; name*=utf-8'de'h%C3%A4", "hä"),
        (b"a; name=plain; name*=utf-8''h%C3%A4", "hä"),
        (b"a; name*1=b; name*0=a; name*2=c", "abc"),
        (b"a; name*0*=iso-8859-1''h%e4; name*1=%20; name*2*=%20", "hä%20 "),
        (b"a; name*0=a; name*2=c", "a"),
        (b"a; name*1=b", None),
        (b"a; name*01=b; name*0=a", "a"),
        (b"a; name*=%zz'", "%zz'"),
        (b'a; name="=?utf-8?q?h=C3=A4?="', "hä"),
        ("a; name=hä".encode(), "hä"),
        (b"a; name*=utf-8''a%0D%0Ab", "a  b"),
        (b"a; name*=nosuch''h%C3%A4", "hä"),
    ],
)
def test_a_parameter_is_put_together(value: bytes, text: str | None) -> None:
    assert find_parameter(parse_value(value)[1], b"name") == text


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=200))
def test_what_the_standard_library_encodes_comes_back(name: str) -> None:
    message = Message()
    message.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    _, parameters = parse_value(str(message["Content-Disposition"]).encode())
    assert find_parameter(parameters, b"filename") == name


@given(st.binary(max_size=100) | st.text("ab;=\"\\()*0' \r\n%", max_size=60).map(str.encode))
def test_any_octets_are_split(value: bytes) -> None:
    _, parameters = parse_value(value)
    for name, _ in parameters:
        assert name
        find_parameter(parameters, name.lower().partition(b"*")[0])


@pytest.mark.parametrize(
    "unit", [b"a", b";", b"a=b;", b'"', b"(", b"()", b"=", b"\\", b"a;", b' "', b";a*0=b", b"'"]
)
def test_cost_is_linear(unit: bytes, steps: Callable[[Callable[[], object]], int]) -> None:
    def work(count: int) -> int:
        value = b"a/b; a=" + unit * count
        return steps(lambda: find_parameter(parse_value(value)[1], b"a"))

    assert work(8000) <= 4.2 * work(2000)  # a collection of garbage may fall into one of them


@pytest.mark.parametrize(
    ("value", "whole"),
    [
        (b"x; a=1; b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"x; name*0=one; name*1=two; a=1", [(b"a", b"1"), (b"name", b"onetwo")]),
        (b"x; name*1=two; NAME*0=one", [(b"NAME", b"onetwo")]),
        (b"x; n*0*=utf-8''%C3%BC; n*1=\"b c%\"; n*2*=%20d", [(b"n*", b"utf-8''%C3%BCb%20c%25%20d")]),
        (b"x; n*0=a; n*1*=b%20", [(b"n*", b"ab%20")]),
        (b"x; n*1=a; n*2=b", [(b"n*1", b"a"), (b"n*2", b"b")]),
        (b"x; n*0=a; n*2=b; n=c", [(b"n*2", b"b"), (b"n", b"c"), (b"n", b"a")]),
        (b"x; n*=utf-8''a; n*0=b", [(b"n*", b"utf-8''a"), (b"n", b"b")]),
        (b"x; n*00=a; n*x=b", [(b"n*00", b"a"), (b"n*x", b"b")]),
    ],
)
def test_pieces_are_put_together(value: bytes, whole: list[tuple[bytes, bytes]]) -> None:
    """RFC 2231 §3 and §4.1, for who shows them (§6)."""
    assert list(joined(parse_value(value)[1])) == whole


def test_very_many_pieces_are_put_together_in_one_pass() -> None:
    parameters = tuple((b"n*%d" % number, b"x") for number in reversed(range(10_000)))
    assert joined(parameters) == ((b"n", b"x" * 10_000),)
