"""What reads records of SPF and DMARC, and results of others, takes any octets in time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mailauth.dmarc_record import POLICIES, parse_dmarc
from hub.mailauth.results import claims_authserv_id, states_result
from hub.mailauth.spf_macro import IN_EXPLANATIONS, MacroError, expand, target_name
from hub.mailauth.spf_record import SpfSyntaxError, is_spf, parse_record
from tests.property.growth import assert_linear, few, many, repeated

WORDS = (
    b"v=spf1", b" ", b"a", b"mx", b"ptr", b"all", b"exists:", b"include:", b"ip4:", b"ip6:", b"192.0.2.1",
    b"::1", b"/", b"//", b"24", b"128", b"redirect=", b"exp=", b"x.y=", b"%{", b"}", b"%{d2r.-}", b"%%",
    b"%{I}", b"example.org", b".", b"-", b"+", b"~", b"?", b":", b"0", b"99999999999999999999", b"\xff",
    b"\0",
    b"v=DMARC1", b";", b"p=reject", b"sp=", b"rua=", b"mailto:a@example.org", b",", b"!", b"pct=", b"t=y",
    b"=", b'"', b"\\", b"(", b")", b"dmarc=pass", b"\r\n\t", b"\xe9",
)  # fmt: skip
OCTETS = st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=40).map(b"".join)
PIECE = st.lists(st.sampled_from(WORDS), max_size=4).map(b"".join)
VALUES = dict.fromkeys("slodiphvcrt", "a.b.c")


def spf(octets: bytes) -> None:
    octets = b"v=spf1 " + octets
    assert is_spf(octets)
    with suppress(SpfSyntaxError):
        record = parse_record(octets.decode("latin-1"))
        specs = [record.redirect, record.exp, *(each.spec for each in record.mechanisms)]
        for spec in filter(None, specs):
            assert len(target_name(spec, VALUES)) <= 253 or "." not in target_name(spec, VALUES)


def explanation(octets: bytes) -> None:
    with suppress(MacroError):
        expand(octets.decode("latin-1"), VALUES, letters=IN_EXPLANATIONS, spaces=True)


def dmarc(octets: bytes) -> None:
    found = parse_dmarc("v=DMARC1;" + octets.decode("latin-1"))
    if found is not None:
        assert found.p in POLICIES
        assert 0 <= found.percent <= 100


def results(octets: bytes) -> None:
    claims_authserv_id(octets, "mx.example.org")
    states_result(octets.decode("latin-1"), "dmarc", "pass")


READERS: tuple[Callable[[bytes], object], ...] = (spf, explanation, dmarc, results)


@pytest.mark.parametrize("reader", READERS)
def test_any_octets_are_read_or_refused(reader: Callable[[bytes], object]) -> None:
    @many
    @given(OCTETS)
    def check(octets: bytes) -> None:
        reader(octets)

    check()


@pytest.mark.parametrize("reader", READERS)
def test_four_times_the_octets_take_four_times_the_work(reader: Callable[[bytes], object]) -> None:
    @few
    @given(repeated(PIECE))
    def check(make: Callable[[int], bytes]) -> None:
        assert_linear(reader, make)

    check()
