"""The W3C trace context of messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import Headers, traceparent_of
from hub.mail.traceparent import TraceParent, message_context, own_context, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01", "03", "fe"])
def test_a_traceparent_is_read_with_its_flag(flags: str) -> None:
    found = parse_traceparent(f"00-{TRACE}-{SPAN}-{flags}".encode())
    assert found == TraceParent(int(TRACE, 16), int(SPAN, 16), flags in ("01", "03"))


def test_a_later_version_may_have_more_at_its_end() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings".encode()) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01.",
    ],
)
def test_what_the_recommendation_does_not_allow_is_no_traceparent(text: str) -> None:
    assert parse_traceparent(text.encode()) is None


@given(st.binary(max_size=80))
def test_no_octets_are_an_error(octets: bytes) -> None:
    found = parse_traceparent(octets)
    assert found is None or parse_traceparent(str(found).encode()) == found


def test_the_ids_follow_from_the_message_and_are_written_as_w3c_says() -> None:
    one, again, other = traceparent_of("01abc"), traceparent_of("01abc"), traceparent_of("01abd")
    assert one == again != other
    assert parse_traceparent(one.encode()) == own_context("01abc")
    assert one.endswith("-00")


def test_the_trace_that_is_kept_with_a_message_is_its_trace() -> None:
    kept = message_context("01abc", TraceParent(int(TRACE, 16), int(SPAN, 16), True), sampled=True)
    headers = Headers(f"X-Hub-Trace: {kept}\r\ntraceparent: 00-{'1' * 32}-{SPAN}-01\r\n\r\n".encode())
    own = own_context("01abc")
    assert traceparent_of("01abc", headers) == str(kept) == f"00-{TRACE}-{own.span_id:016x}-01"


def test_a_field_that_a_sender_can_write_is_not_believed() -> None:
    headers = Headers(f"traceparent: 00-{TRACE}-{SPAN}-01\r\nX-Hub-Trace: rubbish\r\n\r\n".encode())
    assert traceparent_of("01abc", headers) == traceparent_of("01abc")
