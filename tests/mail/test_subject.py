"""Base subjects against the steps of RFC 5256 §2.1 taken one by one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.subject import base_subject

BLOB = r"\[[^\[\]]*\] *"
LEADER = re.compile(rf"(?:(?:{BLOB})*(?:re|fwd?) *(?:{BLOB})?:| )", re.IGNORECASE)
TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE)
FORWARD = re.compile(r"\[fwd:(.*)\]", re.IGNORECASE | re.DOTALL)
PIECES = (
    "re",
    "Fwd",
    "fw",
    ":",
    " ",
    "  ",
    "\t",
    "[",
    "]",
    "[x]",
    "[fwd:",
    "(fwd)",
    "(",
    "a",
    "word",
    "é",
    "re:",
)


def by_the_steps(subject: str) -> str:
    """The algorithm as it is written down."""
    text = re.sub(r"[ \t\r\n]+", " ", subject)
    while True:
        while TRAILER.search(text):
            text = TRAILER.sub("", text)
        changed = True
        while changed:
            changed = False
            while found := LEADER.match(text):
                text, changed = text[found.end() :], True
            if (blob := re.match(BLOB, text)) and text[blob.end() :].strip(" "):
                text, changed = text[blob.end() :], True
        forward = FORWARD.fullmatch(text)
        if forward is None:
            return text
        text = forward[1]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_it_is_what_the_steps_give(subject: str) -> None:
    assert base_subject(subject).text == by_the_steps(subject)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_a_base_subject_is_its_own(subject: str) -> None:
    base = base_subject(subject).text
    assert base_subject(base) == (base, False)


@given(
    st.lists(st.sampled_from(("Re: ", "FW:", "[list] re : ", "fwd[2]:")), min_size=1, max_size=5).map("".join)
)
def test_replies_share_the_subject_of_what_they_answer(prefix: str) -> None:
    assert base_subject(f"{prefix}[list] topic (fwd)") == ("topic", True)


@pytest.mark.parametrize(
    ("subject", "text", "is_reply"),
    [
        ("", "", False),
        ("[list] topic", "topic", False),
        ("[list]", "[list]", False),
        ("[one] [two] ", "[two]", False),
        ("Re: [list]", "[list]", True),
        ("topic (FWD) ", "topic", True),
        ("[Fwd: Re: topic]", "topic", True),
        ("[fwd: ]", "", True),
        ("Reply: topic", "Reply: topic", False),
    ],
)
def test_subjects_of_mail(subject: str, text: str, is_reply: bool) -> None:
    assert base_subject(subject) == (text, is_reply)


@pytest.mark.parametrize("piece", ["[a]", "[fwd:", "re: ", "(fwd)", "[", "re [", " "])
def test_a_long_subject_costs_its_length(piece: str) -> None:
    subject = piece * 200_000
    began = time.process_time()
    base_subject(subject)
    assert time.process_time() - began < 5  # a square of the length would take hours
