"""Who wants aggregate reports gets one of each day that is over, and nobody else is told anything."""

from __future__ import annotations

import email
import email.policy
import gzip
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast
from xml.etree import ElementTree as Xml

import pytest
from hub_plugin_mail_auth.aggregate import Reporter
from hub_plugin_mail_auth.deciding import decide
from hub_plugin_mail_auth.judging import Hop, judge
from hub_plugin_mail_auth.reports import DAY, Reports
from hub_plugin_mail_auth.settings import Settings
from hub_plugin_mail_auth.tables import METADATA, REPORT
from hub_plugin_mail_auth.telling import Telling
from sqlalchemy import func, select

from hub import Address, Clock, Dns, Message, Plugin, Tables
from hub.testing.clock import START, ManualClock
from hub.testing.running import running_hub
from hub.testing.zones import Zones

NOON: Final = START - START % DAY + DAY / 2
LATE: Final = NOON + DAY / 2 - 600
"""Ten minutes before the day is over: a hub that waits for half a day does half a day's chores."""
REPORTER: Final = Reporter(Address("dmarc", "example.test"), "Example")


class Submitting:
    """A scope of the plugin that keeps what is submitted: no queue is needed here."""

    def __init__(self, plugin: Plugin, dns: Dns) -> None:
        self.dns = dns
        self.clock: Clock = plugin.clock
        self.log = plugin.log
        self.sent: list[tuple[str, bytes]] = []

    async def submit(self, reverse_path: Address | None, recipients: list[Address], message: bytes) -> str:
        if recipients[0].local == "nobody":
            raise LookupError("there is nobody of that name")
        self.sent += [(str(each), message) for each in recipients]
        return "1"


def document(mail: bytes) -> Xml.Element:
    message = email.message_from_bytes(mail, policy=email.policy.default)
    (attachment,) = message.iter_attachments()
    return Xml.fromstring(gzip.decompress(cast(bytes, attachment.get_payload(decode=True))))


async def judged(tables: Tables, clock: Clock, zones: Zones, *authors: str) -> None:
    """A message of each author from two clients, counted."""
    async with Reports(tables, clock, keep=30 * DAY) as reports:
        for author in authors:
            hop = Hop(ip_address("192.0.2.1"), Address("bounces", author), "x.test")
            message = Message(f"From: someone@{author}\r\n\r\n".encode(), b"")
            found = await judge(zones, hop, message, message_id="1", receiver="x", now=0, seconds=5)
            decision = decide(found, Settings())
            for source in ("192.0.2.1", "192.0.2.1", "2001:db8::1"):
                reports.add(source, hop.sender, found, decision)
            odd = replace(decision, override="mailing_list", disposition="none")
            reports.add("192.0.2.9", None, found, odd)


async def count(tables: Tables) -> int:
    counted = select(func.count()).select_from(REPORT)
    return await tables.read(lambda db: db.execute(counted).scalar_one())


@pytest.mark.proves(
    "mail authentication: domains with `rua` are told each day what their mail looked like here"
)
async def test_each_day_is_told_once_it_is_over(tmp_path: Path) -> None:
    zones = Zones(
        {
            "_dmarc.one.test": [
                'TXT "v=DMARC1; p=quarantine; pct=100; rua=mailto:r@one.test,mailto:nobody@one.test"'
            ],
            "_dmarc.two.test": ['TXT "v=DMARC1; p=none; rua=mailto:r@sub.two.test"'],
        }
    )
    clock = ManualClock(NOON)
    async with running_hub(tmp_path, plugins=["mail-auth"], clock=clock) as hub:
        plugin = hub.plugin("mail-auth")
        tables = await plugin.tables(METADATA)
        await judged(tables, clock, zones, "one.test", "two.test")
        submitting = Submitting(plugin, zones)
        telling = Telling(cast(Plugin, submitting), tables, REPORTER, None)
        await telling.tell()
        assert submitting.sent == []
        assert await count(tables) == 6
        await clock.turn(DAY / 2 + 1200)
        await telling.tell()
        assert await count(tables) == 0
        await telling.tell()
    assert [to for to, _ in submitting.sent] == ["r@one.test", "r@sub.two.test"]
    mail = email.message_from_bytes(submitting.sent[0][1])
    assert mail["Subject"].startswith("Report Domain: one.test Submitter: example.test Report-ID: <")
    found = document(submitting.sent[0][1])
    assert found.findtext("report_metadata/org_name") == "Example"
    begin = int(found.findtext("report_metadata/date_range/begin") or 0)
    assert (begin % DAY, begin <= NOON < begin + DAY) == (0, True)
    published = {each.tag: each.text for each in found.findall("policy_published/*")}
    assert (published["domain"], published["p"], published["pct"]) == ("one.test", "quarantine", "100")
    rows = {
        each.findtext("row/source_ip"): (
            each.findtext("row/count"),
            each.findtext("row/policy_evaluated/dkim"),
        )
        for each in found.findall("record")
    }
    assert rows == {"192.0.2.1": ("2", "fail"), "2001:db8::1": ("1", "fail"), "192.0.2.9": ("1", "fail")}
    assert [each.text for each in found.iter("type")] == ["mailing_list"]
    assert {each.findtext("auth_results/spf/domain") for each in found.findall("record")} == {"one.test"}


def told(domain: str, rua: str, **more: str) -> Callable[[], Zones]:
    records = {f"_dmarc.{domain}": [f'TXT "v=DMARC1; p=none; rua={rua}"']}
    return lambda: Zones(records | {name: [text] for name, text in more.items()})


@pytest.mark.parametrize(
    ("zones", "arrives"),
    [
        (told("one.test", "mailto:r@other.test"), []),
        (
            told(
                "one.test", "mailto:r@other.test", **{"one.test._report._dmarc.other.test": 'TXT "v=DMARC1;"'}
            ),
            ["r@other.test"],
        ),
        (
            told(
                "one.test", "mailto:r@other.test", **{"one.test._report._dmarc.other.test": 'TXT "v=DMARC12"'}
            ),
            [],
        ),
        (told("one.test", "mailto:r@one.test!1"), []),
        (told("one.test", "mailto:r@one.test!1m"), ["r@one.test"]),
        (told("one.test", "https://one.test/r"), []),
        (told("one.test", "mailto:a@one.test,mailto:b%2bc@one.test"), ["a@one.test", "b+c@one.test"]),
    ],
)
async def test_only_who_agrees_is_told(
    tmp_path: Path, zones: Callable[[], Zones], arrives: list[str]
) -> None:
    clock, known = ManualClock(LATE), zones()
    async with running_hub(tmp_path, plugins=["mail-auth"], clock=clock) as hub:
        plugin = hub.plugin("mail-auth")
        tables = await plugin.tables(METADATA)
        await judged(tables, clock, known, "one.test")
        await clock.turn(1800)
        submitting = Submitting(plugin, known)
        await Telling(cast(Plugin, submitting), tables, REPORTER, None).tell()
        assert await count(tables) == 0
    assert [to for to, _ in submitting.sent] == arrives


async def test_what_dns_cannot_say_now_is_told_later(tmp_path: Path) -> None:
    known = told("one.test", "mailto:r@other.test")()
    clock = ManualClock(LATE)
    async with running_hub(tmp_path, plugins=["mail-auth"], clock=clock) as hub:
        plugin = hub.plugin("mail-auth")
        tables = await plugin.tables(METADATA)
        await judged(tables, clock, known, "one.test")
        await clock.turn(1800)
        silent = Submitting(
            plugin, Zones({}, troubled=["one.test._report._dmarc.other.test", "_dmarc.one.test"])
        )
        await Telling(cast(Plugin, silent), tables, REPORTER, None).tell()
        assert (await count(tables), silent.sent) == (3, [])
