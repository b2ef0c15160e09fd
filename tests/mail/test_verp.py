"""Reverse-paths that say which recipient they were made for."""

from __future__ import annotations

import pytest

from hub.mail.address import Address
from hub.mail.verp import Varied, has_form, made_of, varied

KEY, OTHER = b"k" * 32, b"o" * 32
LIST = Address("list", "ours.example")


@pytest.mark.parametrize(
    "text",
    ["ann@elsewhere.example", "a=b@elsewhere.example", "ann+tag@elsewhere.example", "ännchen@bücher.example"],
)
def test_it_leads_back_to_both(text: str) -> None:
    recipient = Address.parse(text)
    made = varied(LIST, recipient, KEY)
    assert made is not None
    assert has_form(made)
    read = Address.parse(str(made))
    assert made_of(read, [OTHER, KEY]) == Varied(LIST, recipient)
    assert made_of(read, [OTHER]) is None
    shouted = Address(read.local.upper(), read.domain)
    found = made_of(shouted, [KEY])
    assert found is None or str(found.recipient).lower() == str(recipient).lower()


def test_it_is_a_subaddress_of_the_sender() -> None:
    made = varied(LIST, Address("ann", "elsewhere.example"), KEY)
    assert made is not None
    head, _, rest = made.local.partition("+")
    assert (head, made.domain, rest.split("=")[1:]) == ("list", "ours.example", ["elsewhere.example", "ann"])


def test_one_that_would_be_too_long_is_not_made() -> None:
    assert varied(LIST, Address("a" * 50, "elsewhere.example"), KEY) is None


@pytest.mark.parametrize(
    "local", ["list", "list+ann", "list+AAAAAA=x", "list+AAAAAA=elsewhere.example=ann", "+ABCDEF=a.example=b"]
)
def test_what_was_not_made_here_leads_nowhere(local: str) -> None:
    assert made_of(Address(local, "ours.example"), [KEY]) is None
