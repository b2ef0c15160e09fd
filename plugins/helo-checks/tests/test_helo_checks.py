"""Names by themselves, and the plugin in a hub."""

import ipaddress
from pathlib import Path

import pytest
from hub_plugin_helo_checks import faults
from hypothesis import given
from hypothesis import strategies as st

from hub.testing.dialogue import dialogue
from hub.testing.running import running_hub

CLIENT = ipaddress.ip_address("192.0.2.1")
CLIENT6 = ipaddress.ip_address("2001:db8::1")
OWN = frozenset({"mail.example.test"})


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("mail.example.org", None),
        ("mail.example.org.", None),
        ("under_score.example.org", None),
        ("xn--mnchen-3ya.example", None),
        ("[192.0.2.1]", None),
        ("[192.0.2.2]", "wrong_literal"),
        ("[192.0.2]", "wrong_literal"),
        ("[", "wrong_literal"),
        ("192.0.2.1", "bare_address"),
        ("999.0.2.1", "bare_address"),
        ("2001:db8::1", "bare_address"),
        ("MAIL.example.test", "own_name"),
        ("mail.example.test.", "own_name"),
        ("localhost", "not_full"),
        ("-", "not_a_name"),
        ("my!pc", "not_a_name"),
        ("a..example", "not_a_name"),
        ("-a.example", "not_a_name"),
        ("a" * 64 + ".example", "not_a_name"),
        (".".join(["a"] * 130), "not_a_name"),
    ],
)
def test_a_name_has_a_fault_or_none(name: str, fault: str | None) -> None:
    assert [found for found, _ in faults(name, CLIENT, OWN)] == ([fault] if fault else [])


def test_a_literal_of_ipv6_is_compared_as_an_address() -> None:
    assert not list(faults("[IPv6:2001:DB8:0::1]", CLIENT6, OWN))
    assert list(faults("[IPv6:2001:db8::2]", CLIENT6, OWN))
    assert not list(faults("[IPv6:::ffff:192.0.2.1]", CLIENT, OWN))


@given(st.text(min_size=1, max_size=300))
def test_any_text_has_at_most_one_fault(name: str) -> None:
    assert len(list(faults(name, CLIENT, OWN))) <= 1


@pytest.mark.proves("checks: clients that call themselves what they cannot be are refused in HELO")
async def test_a_client_is_refused_or_put_off_as_the_rules_say(tmp_path: Path) -> None:
    settings = {"exempt": ["127.0.8.0/24"], "own_names": ["mail.example.test"], "not_full": "defer"}
    tables = {"plugins": {"helo-checks": settings}}
    async with running_hub(tmp_path, plugins=["helo-checks"], tables=tables) as hub:
        commands = ["EHLO 127.0.0.1", "EHLO PC", "HELO mail.example.test", "EHLO [127.0.9.1]"]
        replies = await dialogue(hub.port(), commands, source="127.0.9.1")
        assert [reply[:9] for reply in replies[1:4]] == ["550 5.7.1", "450 4.7.1", "550 5.7.1"]
        assert replies[4].startswith("250")
        assert (await dialogue(hub.port(), commands[:1], source="127.0.8.1"))[1].startswith("250")
        assert (await dialogue(hub.port("submission"), commands[:1], source="127.0.9.1"))[1].startswith("250")
