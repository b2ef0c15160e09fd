"""The compiled lists tell what a walk through the entries would tell."""

import pytest
from hub_plugin_deny_list import Addresses, Names, Settings
from pydantic import ValidationError

from hub import Address


@pytest.mark.parametrize(
    ("entry", "found", "passed"),
    [
        ("localhost", ["localhost", "LOCALHOST"], ["localhost.example", "my-localhost", ""]),
        ("*.dyn.example", ["a.dyn.example", "b.a.dyn.example"], ["dyn.example", "adyn.example"]),
        (
            "dsl-*.example",
            ["dsl-1.example", "dsl-1-2.other.example"],
            ["adsl-1.example", "dsl-1.example.org"],
        ),
        ("host?", ["host1"], ["host", "host12"]),
        ("[192.0.2.7]", ["[192.0.2.7]"], ["1", "[192.0.2.8]"]),
        ("[192.0.2.*]", ["[192.0.2.7]"], ["1", "[192.0.3.7]"]),
    ],
)
def test_names_are_found_by_entry(entry: str, found: list[str], passed: list[str]) -> None:
    names = Names.of([entry, "unrelated.example", "*.unrelated.example"])
    assert [name for name in found if name not in names] == []
    assert [name for name in passed if name in names] == []


@pytest.mark.parametrize(
    ("entry", "found", "passed"),
    [
        (
            "ann@example.org",
            ["ann@example.org", "Ann@EXAMPLE.org"],
            ["ann@sub.example.org", "anna@example.org"],
        ),
        ("@example.org", ["ann@example.org", "b+c@example.org"], ["ann@sub.example.org"]),
        (
            "@*.example.org",
            ["ann@a.example.org", "ann@b.a.example.org"],
            ["ann@example.org", "x@aexample.org"],
        ),
        ("*-bounces@*", ["list-bounces@example.org"], ["list@example.org"]),
        ("@bücher.example", ["a@bücher.example", "a@xn--bcher-kva.example"], ["a@bucher.example"]),
        ("@xn--bcher-kva.example", ["a@bücher.example"], []),
        ('"odd name"@example.org', ['"odd name"@example.org'], ["odd@example.org"]),
        ("postmaster", ["postmaster"], ["postmaster@example.org"]),
        ("@[192.0.2.7]", ["a@[192.0.2.7]"], ["a@[192.0.2.8]"]),
    ],
)
def test_addresses_are_found_by_entry(entry: str, found: list[str], passed: list[str]) -> None:
    addresses = Addresses.of([entry])
    assert [text for text in found if Address.parse(text) not in addresses] == []
    assert [text for text in passed if Address.parse(text) in addresses] == []


@pytest.mark.parametrize(
    ("key", "entry", "reason"),
    [
        ("networks", "192.0.2.1/24", 'the network is "192.0.2.0/24"'),
        ("networks", "example.org", "should be a network such as"),
        ("senders", "example.org", "should be user@domain, @domain"),
        ("senders", "ann@", "the domain, after the @, is missing"),
        ("recipients", "@-a.example", "hyphen"),
        ("recipients", "@*.exa mple", "should be user@domain"),
        ("helo", "", "at least 1 character"),
    ],
)
def test_an_entry_that_is_none_is_an_error_with_its_place(key: str, entry: str, reason: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({key: [entry]})
    assert raised.value.errors()[0]["loc"][:2] == (key, 0)
    assert reason in raised.value.errors()[0]["msg"]


def test_entries_of_every_kind_are_settings() -> None:
    networks = ("192.0.2.1", "192.0.2.0/24", "2001:db8::/32")
    senders = ("ann@example.org", "@example.org", "@*.example.org", "*-bounces@*", "postmaster")
    settings = Settings(
        networks=networks, helo=("*.example", "[192.0.2.1]"), senders=senders, recipients=senders
    )
    assert (settings.networks, settings.senders, settings.recipients) == (networks, senders, senders)
