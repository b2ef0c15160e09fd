"""How rates are written, and what an address and a network are."""

import pytest
from hub_plugin_rate_limit import Client, Limit, Settings, client_of
from pydantic import ValidationError

from hub import Networks


@pytest.mark.parametrize(
    ("text", "amount", "seconds"),
    [
        ("5/s", 5, 1),
        ("60/min", 60, 60),
        ("500/h", 500, 3600),
        ("1000/d", 1000, 86400),
        (" 10 / 15min ", 10, 900),
        ("0/h", 0, 3600),
    ],
)
def test_a_rate_is_a_number_per_window(text: str, amount: int, seconds: int) -> None:
    assert Limit.read("x", text) == Limit("x", amount, seconds)


def test_off_is_no_limit() -> None:
    assert Limit.read("x", "off") is None


@pytest.mark.parametrize(
    "text", ["", "60", "60/", "60/minute", "-1/h", "1.5/h", "10/0min", "ten/h", "9999999999/s"]
)
def test_a_wrong_rate_is_an_error_that_shows_how_they_are_written(text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"account": {"messages": text}})
    [error] = raised.value.errors()
    assert error["loc"] == ("account", "messages")
    assert '"10/15min"' in error["msg"]


def test_what_is_exempt_must_be_a_network() -> None:
    with pytest.raises(ValidationError, match="should be a network such as"):
        Settings(exempt=("localhost",))


EXEMPT = Networks(("127.0.0.0/8", "::1/128", "2001:db8:ffff::/48"))


@pytest.mark.parametrize(
    ("host", "address", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/48"),
    ],
)
def test_a_client_is_counted_as_what_one_customer_has(host: str, address: str, network: str) -> None:
    assert client_of(host, EXEMPT) == Client(address, network)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "2001:db8:ffff::1"])
def test_an_exempt_client_is_nobody(host: str) -> None:
    assert client_of(host, EXEMPT) is None
