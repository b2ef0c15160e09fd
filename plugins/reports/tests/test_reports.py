"""Reports that come in by mail are read once, summed up, and survive what strangers put into them."""

import asyncio
import gzip
import io
import json
import zipfile
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hub_plugin_reports import keeping
from hub_plugin_reports.dmarc import read_dmarc
from hub_plugin_reports.keeping import Question
from hub_plugin_reports.report import Line, Report, ReportError
from hub_plugin_reports.tables import METADATA
from hub_plugin_reports.tls import read_tls
from hub_plugin_reports.unpacking import reports_in, unpacked

from hub import Tables
from hub.testing.clock import START, ManualClock
from hub.testing.running import RunningHub, running_hub

BEGIN = int(START) // 86400 * 86400 - 86400

RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>fail</spf></policy_evaluated></row>
<identifiers><header_from>example.test</header_from></identifiers><auth_results/></record>"""


def dmarc(identity: str, *records: str, domain: str = "example.test") -> bytes:
    return f"""<?xml version="1.0"?><feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><report_metadata>
<org_name>big.test</org_name><email>r@big.test</email><report_id>{identity}</report_id>
<date_range><begin>{BEGIN}</begin><end>{BEGIN + 86399}</end></date_range></report_metadata>
<policy_published><domain>{domain}</domain><p>none</p></policy_published>{"".join(records)}</feedback>""".encode()


GOOD = RECORD.format(ip="192.0.2.1", count=90, disposition="none", dkim="pass")
BAD = RECORD.format(ip="198.51.100.9", count=10, disposition="reject", dkim="fail")

TLS = {
    "organization-name": "Big Mail",
    "date-range": {"start-datetime": "2026-11-25T00:00:00Z", "end-datetime": "2026-11-25T23:59:59Z"},
    "report-id": "t1",
    "policies": [
        {
            "policy": {"policy-type": "sts", "policy-domain": "example.test"},
            "summary": {"total-successful-session-count": 40, "total-failure-session-count": 3},
            "failure-details": [
                {
                    "result-type": "certificate-expired",
                    "receiving-mx-hostname": "mx.example.test",
                    "failed-session-count": 2,
                }
            ],
        }
    ],
}


def zipped(document: bytes, *names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("report.xml",):
            archive.writestr(name, document)
    return packed.getvalue()


def mail(content: bytes, subtype: str = "gzip") -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Reports <noreply@big.test>", "anna@example.test"
    message["Subject"] = "Report Domain: example.test"
    message.set_content("A report.\n")
    message.add_attachment(content, maintype="application", subtype=subtype, filename="report")
    return message.as_bytes()


def test_an_aggregate_report_is_read() -> None:
    assert read_dmarc(dmarc("1", GOOD, BAD)) == Report(
        "dmarc",
        "big.test",
        "1",
        "example.test",
        BEGIN,
        BEGIN + 86399,
        (
            Line("192.0.2.1", 90, True, "none", "from example.test, dkim=pass, spf=fail"),
            Line("198.51.100.9", 10, False, "reject", "from example.test, dkim=fail, spf=fail"),
        ),
    )


def test_a_tls_report_is_read_with_what_it_does_not_explain() -> None:
    (found,) = read_tls(json.dumps(TLS).encode())
    assert (found.kind, found.reporter, found.identity, found.domain) == (
        "tls",
        "Big Mail",
        "t1",
        "example.test",
    )
    assert [(each.source, each.count, each.passed, each.outcome) for each in found.lines] == [
        ("", 40, True, "secured"),
        ("mx.example.test", 2, False, "certificate-expired"),
        ("", 1, False, "not explained"),
    ]


@pytest.mark.parametrize(
    ("content", "subtype"),
    [
        (gzip.compress(dmarc("1", GOOD)), "gzip"),
        (zipped(dmarc("1", GOOD)), "zip"),
        (dmarc("1", GOOD), "xml"),
        (gzip.compress(dmarc("1", GOOD)), "octet-stream"),
        (gzip.compress(json.dumps(TLS).encode()), "tlsrpt+gzip"),
        (json.dumps(TLS).encode(), "tlsrpt+json"),
    ],
)
def test_it_is_found_however_it_is_packed(content: bytes, subtype: str) -> None:
    (found,) = reports_in(mail(content, subtype))
    assert found.domain == "example.test"


def test_other_mail_is_no_report() -> None:
    assert list(reports_in(b"From: a@b.test\r\n\r\nhello\r\n")) == []
    assert list(reports_in(mail(b"\x00\x01\x02", "octet-stream"))) == []


ENTITIES = b'<!DOCTYPE f [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><feedback>&b;</feedback>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (ENTITIES, "document type"),
        (ENTITIES.decode().encode("utf-16"), "neither XML nor JSON|document type"),
        (b"<feedback>", "broken"),
        (b"<a>" * 1000, "nested too deep"),
        (b"<other/>", "not <feedback>"),
        (dmarc("1", GOOD).replace(b">90<", b">9e9<"), "no number"),
        (b"{", "JSON is broken"),
        (b'{"a":' * 100_000, "JSON is broken"),
        (json.dumps(TLS | {"policies": [{}]}).encode(), "policies.0.policy"),
        (b"\x1f\x8bnonsense", "unpacked"),
        (zipped(b"<a/>", "one", "two"), "2 files"),
        (zipped(b"<a/>").replace(b"<a/>", b"<b/>"), "unpacked|not <feedback>"),
        (gzip.compress(bytes((100 << 20) + 1)), "more than 100 MiB"),
    ],
)
def test_what_is_wrong_with_a_document_is_said(content: bytes, why: str) -> None:
    with pytest.raises(ReportError, match=why):
        list(reports_in(mail(content, "gzip")))


def test_what_is_not_packed_stays_as_it_is() -> None:
    assert unpacked(b"plain") == b"plain"


@pytest.fixture
async def reading(tmp_path: Path) -> AsyncIterator[RunningHub]:
    tables = {"plugins": {"reports": {"accounts": ["alice@example.test"], "keep": "30d"}}}
    async with running_hub(tmp_path, plugins=["reports"], tables=tables, clock=ManualClock(START)) as hub:
        yield hub


async def command(folder: Path, *arguments: str) -> Result:
    """`hub reports …` as from a shell."""
    (script,) = entry_points(group="console_scripts", name="hub")
    words = ["--config", str(folder / "hub.toml"), "reports", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, script.load(), words)


async def kept(tables: Tables, count: int) -> None:
    """Return once so many reports are kept."""
    while len(await keeping.kept(tables, Question(0), 10)) < count:
        await asyncio.sleep(0.01)


@pytest.mark.proves(
    "mail authentication: DMARC and TLS reports of others are read from the mailbox that they come to"
)
async def test_reports_are_read_from_the_mailbox_and_summed_up(reading: RunningHub, tmp_path: Path) -> None:
    tables = await reading.plugin("reports").tables(METADATA)
    assert "Nothing was reported" in (await command(tmp_path, "summary", "--days", "4000")).output
    assert (await reading.send(mail(gzip.compress(dmarc("3", BAD))).decode(), to="bob@example.test"))[
        0
    ] == 250
    for content in (
        b"<feedback>",
        gzip.compress(dmarc("1", GOOD, BAD)),
        gzip.compress(dmarc("1", GOOD, BAD)),  # the same once more
        gzip.compress(dmarc("2", BAD)),
        gzip.compress(json.dumps(TLS).encode()),
    ):
        assert (await reading.send(mail(content).decode()))[0] == 250
    await kept(tables, 3)
    rows = {each.kind: each for each in await keeping.summary(tables, Question(0))}
    assert (rows["dmarc"].reports, rows["dmarc"].total, rows["dmarc"].passed) == (2, 110, 90)
    assert (rows["tls"].reports, rows["tls"].total, rows["tls"].passed) == (1, 43, 40)
    assert list(await keeping.summary(tables, Question(0, domain="other.test"))) == []
    said = await command(tmp_path, "summary", "--days", "4000")
    assert "81.8 %" in said.output, said.output
    found = json.loads(
        (await command(tmp_path, "summary", "--days", "4000", "--kind", "dmarc", "--json")).output
    )
    assert [(each["source"], each["total"], each["outcome"]) for each in found["failures"]] == [
        ("198.51.100.9", 20, "reject")
    ]
    assert "big.test (not shown to be)" in (await command(tmp_path, "list", "--days", "4000")).output
    await keeping.forget(tables, BEGIN + 10 * 86400)
    assert list(await keeping.kept(tables, Question(0), 10)) == []
