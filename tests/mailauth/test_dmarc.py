"""DMARC: whose policy applies, what is aligned with whom, and what is to be done."""

from __future__ import annotations

import pytest

from hub.mail.headers import Headers
from hub.mailauth.dmarc import DmarcResult, check_dmarc, walked
from hub.mailauth.dmarc_record import parse_dmarc
from hub.testing.zones import Zones


def zones(**policies: str) -> Zones:
    """Records by domain, with `_` for a dot; what has one exists."""
    records: dict[str, list[str]] = {}
    for name, policy in policies.items():
        domain = name.replace("_", ".")
        records[f"_dmarc.{domain}"] = [f'TXT "{policy}"']
        records[domain] = ["A 192.0.2.1"]
    return Zones(records)


async def judged(
    dns: Zones, author: str = "alice@example.org", spf: str = "", dkim: tuple[str, ...] = (), **more: object
) -> DmarcResult:
    headers = Headers(f"From: {author}\r\n\r\n".encode())
    return await check_dmarc(dns, headers, spf, dkim, **more)  # type: ignore[arg-type]


REJECT = zones(example_org="v=DMARC1; p=reject")


@pytest.mark.parametrize(
    ("spf", "dkim", "result"),
    [
        ("example.org", (), "pass"),
        ("", ("example.org",), "pass"),
        ("", ("other.example", "EXAMPLE.ORG"), "pass"),
        ("mail.example.org", (), "pass"),  # relaxed
        ("", (), "fail"),
        ("example.net", ("notexample.org", "org"), "fail"),
    ],
)
async def test_one_aligned_pass_is_enough(spf: str, dkim: tuple[str, ...], result: str) -> None:
    found = await judged(REJECT, spf=spf, dkim=dkim)
    assert (found.result, found.disposition) == (result, "none" if result == "pass" else "reject")


async def test_strict_alignment_takes_the_same_domain_only() -> None:
    dns = zones(example_org="v=DMARC1; p=reject; aspf=s; adkim=s")
    assert (await judged(dns, spf="mail.example.org", dkim=("mail.example.org",))).result == "fail"
    assert (await judged(dns, dkim=("example.org",))).dkim == "example.org"


async def test_subdomains_have_the_policy_of_their_organization() -> None:
    dns = zones(example_org="v=DMARC1; p=reject; sp=quarantine; np=none", is_example_org="no record")
    assert (await judged(dns, "a@is.example.org")).disposition == "quarantine"
    missing = await judged(dns, "a@missing.example.org")
    assert (missing.policy, missing.policy_domain, missing.domain) == (
        "none",
        "example.org",
        "missing.example.org",
    )
    assert (await judged(dns, "a@example.org")).disposition == "reject"


async def test_without_sp_subdomains_have_the_policy_itself() -> None:
    assert (await judged(REJECT, "a@sub.example.org")).disposition == "reject"


async def test_a_public_suffix_has_a_word_but_is_no_organization() -> None:
    dns = zones(org="v=DMARC1; p=reject; psd=y; np=quarantine; sp=none", sub_example_org="x")
    found = await judged(dns, "a@sub.example.org", spf="other.org")
    assert (found.result, found.policy_domain, found.policy) == ("fail", "org", "none")
    assert (await judged(dns, "a@sub.example.org", spf="example.org")).result == "pass"
    assert (await judged(dns, "a@nothing.org")).policy == "quarantine"


async def test_psd_n_makes_an_organization_of_its_own() -> None:
    dns = zones(
        example_org="v=DMARC1; p=reject",
        team_example_org="v=DMARC1; p=reject; psd=n",
    )
    assert (await judged(dns, "a@team.example.org", spf="example.org")).result == "fail"
    assert (await judged(dns, "a@team.example.org", spf="x.team.example.org")).result == "pass"


def test_a_walk_asks_eight_times_at_most() -> None:
    assert len(walked(".".join("abcdefghijklmnop"))) == 8
    assert walked("a.b.c.d.e.f.g.h.i")[1] == "c.d.e.f.g.h.i"
    assert walked("a.b") == ["a.b", "b"]


async def test_a_list_of_public_suffixes_takes_the_place_of_the_walk() -> None:
    def organization(domain: str) -> str:
        return ".".join(domain.split(".")[-2:])

    dns = zones(example_org="v=DMARC1; p=reject")
    assert (await judged(dns, "a@x.y.example.org", organization=organization)).policy_domain == "example.org"
    asked = {name for name, _ in dns.asked}
    assert asked == {"_dmarc.x.y.example.org", "_dmarc.example.org"}
    assert (await judged(dns, spf="mail.example.org", organization=organization)).result == "pass"


@pytest.mark.parametrize(
    ("tags", "sample", "disposition", "softened"),
    [
        ("p=reject; t=y", 0, "quarantine", "t"),
        ("p=quarantine; t=y", 0, "none", "t"),
        ("p=reject; pct=30", 29, "reject", ""),
        ("p=reject; pct=30", 30, "quarantine", "pct"),
        ("p=quarantine; pct=0", 0, "none", "pct"),
        ("p=none; pct=0", 50, "none", ""),
    ],
)
async def test_who_only_tries_gets_less(tags: str, sample: float, disposition: str, softened: str) -> None:
    found = await judged(zones(example_org=f"v=DMARC1; {tags}"), sample=sample)
    assert (found.disposition, found.softened) == (disposition, softened)


@pytest.mark.parametrize(
    "head",
    [
        "Subject: none\r\n",
        "From: a@example.org\r\nFrom: a@example.org\r\n",
        "From: nobody\r\n",
        "From: undisclosed:;\r\n",
        "From: a@localhost\r\n",
        "From: a@[192.0.2.1]\r\n",
        'From: a@"exam ple.org"\r\n',
        "From: " + ", ".join(f"a@{n}.example" for n in range(5)) + "\r\n",
    ],
)
async def test_no_single_author_is_an_error_of_its_own(head: str) -> None:
    found = await check_dmarc(REJECT, Headers(f"{head}\r\n".encode()), "example.org", ["example.org"])
    assert (found.result, found.domain, found.disposition) == ("permerror", "", "none")


async def test_of_several_authors_the_worst_counts() -> None:
    found = await judged(REJECT, "a@nice.example, b@example.org", spf="nice.example")
    assert (found.result, found.domain, found.disposition) == ("fail", "example.org", "reject")
    passed = await judged(REJECT, "a@example.org, b@example.org", spf="example.org")
    assert passed.result == "pass"


async def test_an_author_beyond_ascii_is_found_under_the_a_label() -> None:
    dns = Zones({"_dmarc.xn--bcher-kva.example": ['TXT "v=DMARC1; p=reject"']})
    assert (await judged(dns, "a@bücher.example")).domain == "xn--bcher-kva.example"


async def test_no_policy_and_two_policies_are_none() -> None:
    assert (await judged(Zones({}))).result == "none"
    two = Zones({"_dmarc.example.org": ['TXT "v=DMARC1; p=reject"', 'TXT "v=DMARC1; p=none"']})
    assert (await judged(two)).result == "none"
    beside = Zones({"_dmarc.example.org": ['TXT "v=DMARC1; p=reject"', 'TXT "verification=1"']})
    assert (await judged(beside)).result == "fail"


async def test_dns_that_does_not_answer_is_no_failure() -> None:
    assert (await judged(Zones({}, troubled=["_dmarc.example.org"]))).result == "temperror"
    unsure = await judged(REJECT, unsure=["mail.example.org"])
    assert (unsure.result, unsure.disposition) == ("temperror", "none")


@pytest.mark.proves("mail authentication: nobody evades a DMARC policy by name servers that do not answer")
async def test_a_strangers_dns_that_does_not_answer_changes_nothing() -> None:
    dns = Zones(
        {"_dmarc.example.org": ['TXT "v=DMARC1; p=reject"']}, troubled=["_dmarc.evil.test", "_dmarc.test"]
    )
    found = await judged(dns, spf="evil.test", dkim=("evil.test",), unsure=["evil.test"])
    assert (found.result, found.disposition) == ("fail", "reject")
    assert not [name for name, _ in dns.asked if "evil" in name]


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("v=DMARC1; p=reject", "reject"),
        ("v = DMARC1 ;p = Quarantine ", "quarantine"),
        ("v=DMARC1; p=reject; p=none", "reject"),
        ("v=DMARC1; rua=mailto:a@example.org", "none"),
        ("v=DMARC1; p=nonsense; rua=mailto:a@example.org", "none"),
        ("v=DMARC1; p=reject; sp=nonsense; rua=mailto:a@example.org", "none"),
        ("v=DMARC1; p=nonsense", None),
        ("v=DMARC1; p=reject; sp=nonsense", None),
        ("v=DMARC1", None),
        ("v=dmarc1; p=reject", None),
        ("v=DMARC12; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("", None),
    ],
)
def test_what_a_record_must_have(text: str, policy: str | None) -> None:
    found = parse_dmarc(text)
    assert (found and found.p) == policy


def test_every_tag_is_read_and_what_is_wrong_left_out() -> None:
    found = parse_dmarc(
        "v=DMARC1; p=none; np=reject; adkim=s; aspf=x; pct=101; t=y; psd=n; fo=1; nonsense; =; "
        "rua=mailto:a@example.org!10m, x, https://example.org/r; ruf=mailto:b@example.org"
    )
    assert found is not None
    assert (found.np, found.strict_dkim, found.strict_spf, found.percent) == ("reject", True, False, 100)
    assert (found.testing, found.psd, found.fo) == (True, "n", "1")
    assert found.rua == ("mailto:a@example.org!10m", "https://example.org/r")
    assert found.ruf == ("mailto:b@example.org",)


async def test_every_step_is_told() -> None:
    steps: list[str] = []
    await judged(REJECT, "a@sub.example.org", spf="mail.example.org", dkim=("other.test",), say=steps.append)
    assert steps == [
        "the author is of sub.example.org",
        "  _dmarc.sub.example.org: 0 records",
        "  _dmarc.example.org: 'v=DMARC1; p=reject'",
        "  _dmarc.org: 0 records",
        "  the policy of example.org for its subdomains: reject",
        "  _dmarc.mail.example.org: 0 records",
        "  spf passes for mail.example.org: aligned loosely",
        "  dkim passes for other.test: not aligned loosely",
        "  pass",
    ]
