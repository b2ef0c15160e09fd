"""From what was found to what is done, without a hub."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from hub_plugin_mail_auth.deciding import Decision, decide
from hub_plugin_mail_auth.judging import Hop, Judgement, judge
from hub_plugin_mail_auth.settings import Settings
from pydantic import ValidationError

from hub import (
    Address,
    DnsAnswer,
    Junk,
    Message,
    Quarantine,
    Reject,
    hash_body,
    new_signing_key,
    sign_dkim,
)
from hub.testing.zones import Zones

CLIENT, OTHER = "192.0.2.7", "192.0.2.8"
POLICY = {"_dmarc.example.org": ['TXT "v=DMARC1; p=reject"']}


def zones(policy: str) -> Zones:
    return Zones(
        {
            "example.org": [f'TXT "v=spf1 ip4:{CLIENT} -all"'],
            "_dmarc.example.org": [f'TXT "v=DMARC1; {policy}"'],
            "soft.test": ['TXT "v=spf1 ~all"'],
        }
    )


async def found(
    dns: Zones, client: str = OTHER, sender: str = "a@example.org", head: bytes = b"From: a@example.org\r\n"
) -> Judgement:
    hop = Hop(ip_address(client), Address.parse(sender) if sender else None, "soft.test")
    return await judge(
        dns, hop, Message(head + b"\r\n", b"hi\r\n"), message_id="1", receiver="mx.test", now=0, seconds=5
    )


async def decided(tags: str, /, **settings: object) -> Decision:
    return decide(await found(zones(tags)), Settings.model_validate(settings))


async def test_a_pass_owes_nothing_but_a_name() -> None:
    decision = decide(await found(zones("p=reject"), CLIENT), Settings())
    assert (decision.finding.score, decision.finding.reasons) == (1.0, ("iprev=permerror (+1)",))
    assert decision.finding.action is None


async def test_actions_follow_the_policy() -> None:
    reject = await decided("p=reject")
    assert isinstance(reject.finding.action, Reject)
    assert (reject.disposition, reject.override) == ("reject", "")
    assert isinstance((await decided("p=quarantine")).finding.action, Junk)
    assert isinstance((await decided("p=quarantine", quarantine="quarantine")).finding.action, Quarantine)
    assert (await decided("p=none")).finding.action is None


@pytest.mark.parametrize("policy", ["score", "headers"])
async def test_what_the_operator_overrides_is_said_in_reports(policy: str) -> None:
    decision = await decided("p=reject", policy=policy)
    assert (decision.disposition, decision.override) == ("none", "local_policy")
    assert decision.finding.action is None
    assert "dmarc=fail is overridden: local_policy" in decision.finding.reasons


async def test_a_sample_is_said_in_reports() -> None:
    decision = await decided("p=reject; pct=0")
    assert (decision.disposition, decision.override) == ("quarantine", "sampled_out")


async def test_scores_add_up_and_each_outcome_counts_once() -> None:
    decision = await decided("p=none", scores={"spf=fail": 10, "iprev=permerror": 0})
    assert decision.finding.score == 12.0
    assert decision.finding.reasons == ("dmarc=fail (+2)", "spf=fail (+10)")


async def test_helo_is_told_beside_mail_from() -> None:
    judgement = await found(zones("p=none"))
    assert [(each.method, each.result) for each in judgement.results()] == [
        ("iprev", "permerror"),
        ("spf", "fail"),
        ("spf", "softfail"),
        ("dkim", "none"),
        ("dmarc", "fail"),
    ]
    null = await found(zones("p=none"), sender="")
    assert (null.spf.identity, null.helo) == ("helo", None)


async def test_dns_that_never_answers_is_a_temperror_of_all() -> None:
    class Silent(Zones):
        async def query(self, name: str, kind: str) -> DnsAnswer:
            await asyncio.Event().wait()
            raise AssertionError

    hop = Hop(ip_address(CLIENT), None, "soft.test")
    message = Message(b"From: a@example.org\r\nDKIM-Signature: v=1\r\nARC-Seal: i=1\r\n\r\n", b"")
    judgement = await judge(Silent({}), hop, message, message_id="1", receiver="x", now=0, seconds=0.01)
    assert (judgement.spf.result, judgement.iprev.result, judgement.dmarc.result) == (("temperror",) * 3)
    assert decide(judgement, Settings()).finding.action is None


async def test_a_key_that_nobody_answers_for_spoils_no_other_signature() -> None:
    class Slow(Zones):
        async def query(self, name: str, kind: str) -> DnsAnswer:
            if "slow" in name:
                await asyncio.Event().wait()
            return await super().query(name, kind)

    key = new_signing_key("ed25519")
    dns = Slow({"s._domainkey.example.org": [f'TXT "{key.record}"'], **POLICY})
    message = Message(b"From: a@example.org\r\n\r\n", b"hi\r\n")
    [body] = await hash_body(message)
    for domain in ("example.org", "slow.test"):
        message = message.under(sign_dkim(message, key, domain, "s", 0.0, body))
    hop = Hop(ip_address(OTHER), None, "soft.test")
    judgement = await judge(dns, hop, message, message_id="1", receiver="x", now=0, seconds=1)
    assert [each.status for each in judgement.dkim] == ["temperror", "pass"]
    assert judgement.dmarc.result == "pass"


@pytest.mark.parametrize(
    "wrong",
    [{"scores": {"spf": 1}}, {"scores": {"spf=fail": -1}}, {"sealers": ["*.example"]}, {"timeout": 60}],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)
