"""Addresses of mail that is passed on, and what they lead back to."""

from __future__ import annotations

import pytest

from hub.mail.address import Address
from hub.mail.srs import NotOurs, Token, original, rewritten, with_token

KEY, OTHER = b"k" * 32, b"o" * 32
NOW, DAY = 1_800_000_000.0, 86400.0


def there(text: str, domain: str = "ours.example", key: bytes = KEY) -> Address:
    found = rewritten(Address.parse(text), domain, key, NOW)
    assert found is not None
    return Address.parse(str(found))


@pytest.mark.parametrize(
    "text",
    [
        "ann@elsewhere.example",
        "a=b=c@elsewhere.example",
        '"a b"@elsewhere.example',
        "SRS0-odd@elsewhere.example",
        "Ann+tag@xn--bcher-kva.example",
        "ännchen@bücher.example",
    ],
)
def test_an_address_leads_back_to_where_it_came_from(text: str) -> None:
    made = there(text)
    assert made.domain == "ours.example"
    assert original(made.local, [KEY], NOW) == Address.parse(text)
    assert original(made.local, [OTHER, KEY], NOW) == Address.parse(text)


def test_it_has_the_form_that_everybody_writes() -> None:
    head, day, domain, local = there("ann@elsewhere.example").local.removeprefix("SRS0=").split("=")
    assert (len(head), len(day), domain, local) == (4, 2, "elsewhere.example", "ann")


def test_a_second_forwarder_shortens_the_way_and_a_third_one_does_not_lengthen_it() -> None:
    first = there("ann@elsewhere.example", "first.example")
    second = there(str(first), "second.example")
    assert second.local.startswith("SRS1=")
    assert f"=first.example={first.local.removeprefix('SRS0')}" in second.local
    third = there(str(second), "third.example")
    assert len(third.local) == len(second.local)
    assert original(second.local, [KEY], NOW) == first
    assert original(third.local, [KEY], NOW) == first


def test_servers_on_the_way_may_change_the_case() -> None:
    made = there("ann@elsewhere.example")
    for local in (made.local.lower(), made.local.upper()):
        assert str(original(local, [KEY], NOW)).lower() == "ann@elsewhere.example"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda local: local.replace("ann", "bob"), "not made here"),
        (lambda local: local.replace("elsewhere", "nowhere"), "not made here"),
        (lambda local: f"{local[:5]}AAAA{local[9:]}", "not made here"),
        (lambda local: local.replace("SRS0", "SRS1"), "not written"),
        (lambda local: "SRS0=", "not written"),
        (lambda local: "SRS0=a=b", "not written"),
        (lambda local: "SRS0=é=AA=b.example=c", "not made here"),
        (lambda local: "SRS1=a=b.example=c", "not written"),
    ],
)
def test_what_is_forged_leads_nowhere(change: object, reason: str) -> None:
    assert callable(change)
    with pytest.raises(NotOurs, match=reason):
        original(change(there("ann@elsewhere.example").local), [KEY], NOW)


def test_a_day_cannot_be_changed_and_three_weeks_are_the_end() -> None:
    made = there("ann@elsewhere.example").local
    for days in (0, 1, 21, -1):
        assert original(made, [KEY], NOW + days * DAY) == Address.parse("ann@elsewhere.example")
    for days in (22, 400, 1000):
        with pytest.raises(NotOurs, match="expired"):
            original(made, [KEY], NOW + days * DAY)
    with pytest.raises(NotOurs, match="not made here"):
        original(made, [], NOW)


def test_what_is_too_long_is_left_to_a_token() -> None:
    long = Address(f"bounces+{'1' * 30}-user=some.domain", "em.provider.example")
    assert rewritten(long, "ours.example", KEY, NOW) is None
    made = with_token("0123456789abcdef", "ours.example", KEY, NOW)
    assert len(made.local) < 64
    assert original(made.local, [KEY], NOW) == Token("0123456789abcdef")
