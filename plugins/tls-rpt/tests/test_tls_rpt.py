"""What is counted and how it is told; tests/relay sends reports."""

import asyncio
import email
import email.policy
import gzip
import json
from typing import cast

import pytest
from hub_plugin_tls_rpt import (
    LONGEST_TEXT,
    MOST_DETAILS,
    MOST_LINES,
    MOST_POLICIES,
    Settings,
    Tallies,
    Tally,
    as_mail,
    merge,
    read,
    report,
    written,
)

from hub import TlsFault, TlsOutcome, TlsPolicy
from hub.testing.clock import ManualClock
from hub.testing.running import RunningHub

SETTINGS = Settings(sender="tls-reports@example.test")
STS = TlsPolicy("sts", "one.test", "name", ("mx.one.test",), lines=("version: STSv1", "mode: enforce"))
EXPIRED = TlsFault("certificate-expired", "its certificate has expired")
GOOD = TlsOutcome("one.test", STS, "mx.one.test", "192.0.2.25", "192.0.2.1")
BAD = TlsOutcome("one.test", STS, "mx.one.test", "192.0.2.25", "", EXPIRED)


@pytest.mark.proves(
    "sending: what came of TLS with a domain's servers is counted, for a report a day to the domain"
)
async def test_what_came_of_connections_is_counted_and_kept(
    hub: RunningHub, manual_clock: ManualClock
) -> None:
    plugin, kept, none = hub.plugin("tls-rpt"), b"", TlsOutcome("one.test", None, "mx.one.test", "192.0.2.25")
    for times in (1, 2):
        for outcome in (GOOD, BAD, BAD, none):
            await plugin.call("tls_negotiated", outcome=outcome)
        await hub.until_called("tls_negotiated", 4 * times)
        await manual_clock.turn(60)
        before = kept
        while kept == before:
            await asyncio.sleep(0.01)
            kept = next((value for _, value in await plugin.kv.scan("2")), b"")
    domain, tallies = read(kept)
    assert domain == "one.test"
    sts, others = tallies.values()
    assert (sts.kind, sts.lines, sts.succeeded, sts.failed) == ("sts", list(STS.lines), 2, 4)
    assert list(sts.details.values()) == [4]
    assert (others.kind, others.lines, others.succeeded, others.failed) == ("no-policy-found", [], 2, 0)


def test_a_report_is_as_the_rfc_has_it() -> None:
    tallies: Tallies = {}
    merge(tallies, Tally("sts", "one.test", list(STS.lines), ["mx.one.test"], 5, 3))
    tallies[next(iter(tallies))].details["certificate-expired", "", "mx.one.test", "192.0.2.25", "it has"] = 3
    said = json.loads(json.dumps(report(SETTINGS, "2026-11-25", "an-id", tallies)))
    assert said["organization-name"] == "example.test"
    assert said["date-range"] == {
        "start-datetime": "2026-11-25T00:00:00Z",
        "end-datetime": "2026-11-25T23:59:59Z",
    }
    (policy,) = said["policies"]
    assert policy["policy"] == {
        "policy-type": "sts",
        "policy-string": list(STS.lines),
        "policy-domain": "one.test",
        "mx-host": ["mx.one.test"],
    }
    assert policy["summary"] == {"total-successful-session-count": 5, "total-failure-session-count": 3}
    assert policy["failure-details"] == [
        {
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.one.test",
            "receiving-ip": "192.0.2.25",
            "failed-session-count": 3,
            "additional-information": "it has",
        }
    ]


def test_a_mail_brings_it_packed() -> None:
    raw = as_mail(SETTINGS, "one.test", "2026-11-25", "an-id", gzip.compress(b"{}"), "r@one.test", 1.8e9)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert (mail["TLS-Report-Domain"], mail["TLS-Report-Submitter"]) == ("one.test", "example.test")
    assert mail["TLS-Required"] == "No"
    assert (mail.get_content_type(), mail.get_param("report-type")) == ("multipart/report", "tlsrpt")
    _, packed = mail.iter_parts()
    assert packed.get_content_type() == "application/tlsrpt+gzip"
    assert gzip.decompress(cast(bytes, packed.get_payload(decode=True))) == b"{}"
    assert packed.get_filename() == "example.test!one.test!1795564800!1795651199.json.gz"


def test_what_others_make_us_count_is_bounded() -> None:
    tallies: Tallies = {}
    for number in range(100):
        merge(tallies, Tally("sts", "one.test", [f"id {number}"], [], 0, 1))
    assert len(tallies) == MOST_POLICIES
    lines = ["\N{SNOWMAN}" * LONGEST_TEXT] * MOST_LINES
    tally = Tally("sts", "one.test", lines, lines)
    for number in range(1000):
        text = f"{number} " + "\N{SNOWMAN}" * LONGEST_TEXT
        detail = ("validation-failure", "192.0.2.1", "h" * 253, "a" * 39, text[:LONGEST_TEXT])
        tally.add(Tally("sts", "one.test", [], [], 0, 1, {detail: 1}))
    assert (tally.failed, len(tally.details)) == (1000, MOST_DETAILS)
    assert len(written("one.test", {str(number): tally for number in range(MOST_POLICIES)})) < 64 * 1024
