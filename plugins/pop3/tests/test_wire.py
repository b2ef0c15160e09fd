"""Octets on their way out, wherever they are cut."""

import re
from itertools import pairwise

from hub_plugin_pop3.wire import Stuffing
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(alphabet=".ab\r\n", max_size=40).map(str.encode)


@given(TEXT, st.lists(st.integers(0, 40)))
def test_a_message_is_the_same_wherever_it_is_cut(text: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    stuffing = Stuffing()
    sent = b"".join(stuffing.feed(text[a:b]) for a, b in pairwise(places))
    sent += stuffing.end()
    whole = re.sub(rb"(?<!\r)\n", b"\r\n", text)
    if whole and not whole.endswith(b"\r\n"):
        whole += b"\r\n"
    assert sent.endswith(b"\r\n.\r\n" if whole else b".\r\n")
    lines = (b"\r\n" + sent).removesuffix(b"\r\n.\r\n")
    assert b"\r\n.\r\n" not in lines + b"\r\n"
    assert lines.replace(b"\r\n.", b"\r\n").removeprefix(b"\r\n") == whole.removesuffix(b"\r\n")
