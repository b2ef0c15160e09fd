"""Authentication-Results: nothing in a result gets out of its value, and nobody speaks in our name."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import AUTH_RESULTS, Finding, auth_results
from hub.mail.stash import Stash
from hub.mailauth.results import AuthResult, claims_authserv_id, results_field, states_result

OURS = "mx.example.org"


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        ("mx.example.org; spf=pass", True),
        ("MX.Example.ORG; none", True),
        ("mx.example.org.; none", True),
        ("mx.example.org", True),
        ("mx.example.org 1; none", True),
        ('"mx.example.org"; none', True),
        ('"mx\\.example.org"; none', True),
        (" (a (nested) comment; \\) ) mx.example.org (x) ; none", True),
        ("\r\n\tmx.example.org;\r\n\tspf=pass", True),
        ("mx.example.net; none", False),
        ("mx.example.org.example.net; none", False),
        ('"mx.example.net" 1; none', False),
        # What cannot be read may be read as ours by others.
        ("; spf=pass", True),
        ("", True),
        ("(open comment", True),
        ('"open string', True),
        ("mx example.org; spf=pass", True),
        ("evil/mx; x", False),
    ],
)
def test_who_speaks_in_our_name(value: str, ours: bool) -> None:
    assert claims_authserv_id(value.encode(), OURS) is ours


def test_a_field_is_folded_and_read_as_it_was_meant() -> None:
    found = [
        AuthResult("spf", "fail", 'not "allowed"', [("smtp", "mailfrom", "a@example.org")]),
        AuthResult("dkim", "pass", "", [("header", "d", "example.org"), ("header", "i", "@x.example.org")]),
        AuthResult("iprev", "pass", "", [("policy", "iprev", "2001:db8::1")]),
        AuthResult("dmarc", "none", "x" * 70, [("header", "from", "example.org")]),
    ]
    assert results_field(OURS, found).split("\r\n") == [
        "mx.example.org;",
        '\tspf=fail reason="not \\"allowed\\"" smtp.mailfrom=a@example.org;',
        "\tdkim=pass header.d=example.org header.i=@x.example.org;",
        '\tiprev=pass policy.iprev="2001:db8::1";',
        "\tdmarc=none",
        f"\t reason={'x' * 70}",
        "\t header.from=example.org",
    ]
    assert results_field(OURS, []) == "mx.example.org; none"


@given(st.text(), st.text())
def test_no_value_ends_its_place(reason: str, value: str) -> None:
    field = results_field(OURS, [AuthResult("spf", "fail", reason, [("smtp", "helo", value)])])
    Finding(headers=(("Authentication-Results", field),))
    message = message_from_bytes(f"Authentication-Results: {field}\r\n\r\n".encode(), policy=default)
    assert list(message.keys()) == ["Authentication-Results"]
    assert states_result(field, "spf", "fail")
    for method in ("dkim", "dmarc", "arc"):
        assert not states_result(field, method, "pass")


def test_what_is_no_keyword_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="is no keyword"):
        results_field(OURS, [AuthResult("spf; dkim", "pass")])


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        ("a; dmarc=pass", True),
        ("a; spf=fail; DMARC/1 = Pass (p=reject) header.from=x", True),
        ("a; dmarc=passed", False),
        ("a; dmarc=pass-ish", False),
        ("dmarc=pass", False),
        ('a; spf=fail reason="; dmarc=pass"', False),
        ('a; spf=fail reason="\\"; dmarc=pass', False),
        ("a; spf=fail (; dmarc=pass", False),
        ("a; x.dmarc=pass", False),
    ],
)
def test_what_a_field_states(value: str, passed: bool) -> None:
    assert states_result(value, "dmarc", "pass") is passed


@pytest.mark.parametrize("value", ["a\r\nb", "a\r\n\r\n", "a\r\n \r\n b", "a\nb", "a\r\n\tb\0", "a" * 901])
def test_a_field_of_a_finding_ends_nowhere_else(value: str) -> None:
    with pytest.raises(ValueError, match="must be printable"):
        Finding(headers=(("X-Found", value),))
    Finding(headers=(("X-Found", "a\r\n\tb"),))


async def test_others_wait_for_the_results() -> None:
    stash = Stash()
    assert await auth_results(stash) == ()
    stash[AUTH_RESULTS] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(auth_results(stash))
    found = (AuthResult("spf", "pass"),)
    stash[AUTH_RESULTS].set_result(found)
    assert await waiting == found
