"""Settings and their errors, and when what is due."""

from __future__ import annotations

import pytest
from hub_plugin_acme import schedule
from hub_plugin_acme.keys import check, facts_of, make_key, make_proof, make_request
from hub_plugin_acme.orders import Refused
from hub_plugin_acme.records import Kept, Progress
from hub_plugin_acme.settings import Settings, wanted, zone_of
from pydantic import ValidationError

DAY = 86400.0
KEPT = Kept(("a.example",), "d", "", "", 0, 90 * DAY, "80000000", 0)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"directory": "http://ca.example/dir"}, "begins with https"),
        ({"directory": "stagin"}, "production or staging"),
        ({"contact": ["nobody"]}, "is no mail address"),
        ({"certificates": {"x": {"names": []}}}, "at least 1"),
        ({"certificates": {"x": {"names": ["example"]}}}, "should be like mail"),
        ({"certificates": {"x": {"names": ["192.0.2.1"]}}}, "is no name that"),
        ({"certificates": {"x": {"names": ["*.example.org"]}}}, 'needs challenge = "dns-01"'),
        ({"certificates": {"../x": {"names": ["a.example.org"]}}}, "is called by small letters"),
        ({"challenge": "http-1"}, "should be 'http-01'"),
        ({"dns": {"*.example.org": {}}}, "is no zone"),
        (
            {"dns": {"example.org": {"server": "ns.example.org", "key_name": "k", "key": "aaaa"}}},
            "an IP address",
        ),
        ({"external_account": {"key_id": "k", "key": "no key!"}}, "a key in base64"),
        ({"terms_agreed": "yes"}, "valid boolean"),
    ],
)
def test_a_wrong_setting_is_explained(said: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Settings.model_validate(said)


def test_without_certificates_the_hub_has_one_of_its_own_name() -> None:
    settings = Settings()
    (only,) = wanted(settings, "Mail.Example.org").values()
    assert (only.called, only.names, only.challenge) == ("mail.example.org", ("mail.example.org",), "http-01")
    assert settings.url == "https://acme-v02.api.letsencrypt.org/directory"
    with pytest.raises(ValueError, match=r"set hub\.hostname"):
        wanted(settings, "localhost")


def test_what_an_order_depends_on_changes_what_is_asked_for() -> None:
    asked = {
        each.asked
        for said in (
            {},
            {"directory": "staging"},
            {"terms_agreed": True},
            {"challenge": "tls-alpn-01"},
            {"certificates": {"mail.example.org": {"names": ["mail.example.org", "imap.example.org"]}}},
        )
        for each in wanted(Settings.model_validate(said), "mail.example.org").values()
    }
    assert len(asked) == 5


def test_a_name_lies_in_its_innermost_zone() -> None:
    table = {"server": "192.0.2.53", "key_name": "k", "key": "aaaa"}
    zones = Settings.model_validate({"dns": {"example.org": table, "dyn.example.org": table}}).dns
    assert zone_of("_acme-challenge.a.dyn.example.org", zones) == "dyn.example.org"
    assert zone_of("dyn.example.org", zones) == "dyn.example.org"
    assert zone_of("_acme-challenge.example.org", zones) == "example.org"
    assert zone_of("badexample.org", zones) is None


def test_it_is_renewed_with_a_third_left_and_not_all_at_once() -> None:
    assert schedule.renew_at(KEPT, Progress()) == 60 * DAY - 1.5 * DAY
    first, last = (
        schedule.renew_at(Kept(("a.example",), "d", "", "", 0, 90 * DAY, mark, 0), Progress())
        for mark in ("ffffffff", "00000000")
    )
    assert 57 * DAY < first < last == 60 * DAY


def test_an_authority_may_suggest_another_time_but_not_too_late() -> None:
    assert schedule.renew_at(KEPT, Progress(renew_at=5.0)) == 5.0
    assert schedule.renew_at(KEPT, Progress(renew_at=70 * DAY)) == 70 * DAY
    assert schedule.renew_at(KEPT, Progress(renew_at=89.9 * DAY)) == 81 * DAY


def test_what_is_due() -> None:
    (each,) = wanted(Settings(), "a.example").values()

    def due(kept: Kept | None, progress: Progress, now: float) -> bool:
        return schedule.is_due(each, "d", kept, progress, now)

    assert due(None, Progress(), 1)
    assert not due(None, Progress(each.asked, again=10), 1)
    assert due(None, Progress("something else", again=10), 1)
    assert not due(KEPT, Progress(each.asked), 58 * DAY)
    assert due(KEPT, Progress(each.asked), 60 * DAY)
    assert not schedule.is_due(each, "d", KEPT, Progress(each.asked, renew_at=0.0, again=10), 1)
    assert schedule.is_due(each, "other", KEPT, Progress(each.asked), 1)


def test_pauses_grow_to_half_a_day_and_are_never_shorter_than_the_authority_wants() -> None:
    assert 240 <= schedule.pause(1, 0) <= 360
    assert 480 <= schedule.pause(2, 0) <= 720
    assert 34560 <= schedule.pause(1000, 0) <= 51840
    assert schedule.pause(1, 7 * DAY) >= 7 * DAY


def test_what_was_not_asked_for_is_not_taken() -> None:
    issued = make_proof("a.example", "proof")
    facts = check(issued, ["a.example"], 1.0)
    assert facts == facts_of(issued.chain)
    for names, now, reason in (
        (["b.example"], 1.0, "not for b.example"),
        (["a.example"], facts.ends, "ended"),
    ):
        with pytest.raises(Refused, match=reason):
            check(issued, names, now)
    with pytest.raises(Refused, match="for another key"):
        check(type(issued)(issued.chain, make_key("rsa")), ["a.example"], 1.0)
    with pytest.raises(Refused, match="cannot be read"):
        check(type(issued)("-----BEGIN CERTIFICATE-----\n", issued.key), ["a.example"], 1.0)
    assert b"BEGIN CERTIFICATE REQUEST" in make_request(issued.key, ["a.example"])
