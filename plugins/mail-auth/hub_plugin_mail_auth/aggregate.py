"""Aggregate reports as they are sent (RFC 7489 §7.2 and Appendix C): XML, packed, in a mail."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final
from xml.etree import ElementTree as Xml

from hub import Address, DmarcRecord

DAY: Final = 86400
_UNLAWFUL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold (§2.2)."""
_SPF_RESULTS: Final = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
_DKIM_RESULTS: Final = ("none", "pass", "fail", "policy", "neutral", "temperror", "permerror")


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: the address that the mail comes from, and a name."""

    address: Address
    organization: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reported of: mail of one day, in days since the epoch, judged by one record of one domain."""

    day: int
    domain: str
    record: DmarcRecord

    @property
    def begin(self) -> int:
        """The first second of the day, since the epoch; it ends `DAY` - 1 later."""
        return self.day * DAY


def feedback(reporter: Reporter, subject: Subject, identity: str, rows: Sequence[Any]) -> bytes:
    """The document. rows: those of `tables.REPORT`."""
    root = Xml.Element("feedback")
    _add(root, version="1.0")
    metadata = Xml.SubElement(root, "report_metadata")
    _add(metadata, org_name=reporter.organization, email=str(reporter.address), report_id=identity)
    _add(Xml.SubElement(metadata, "date_range"), begin=subject.begin, end=subject.begin + DAY - 1)
    record = subject.record
    _add(
        Xml.SubElement(root, "policy_published"),
        domain=subject.domain,
        adkim="s" if record.strict_dkim else "r",
        aspf="s" if record.strict_spf else "r",
        p=record.p,
        sp=record.sp or record.p,
        pct=record.percent,
        fo=record.fo,
    )
    for row in rows:
        _record(Xml.SubElement(root, "record"), row)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _record(parent: Xml.Element, row: Any) -> None:
    line = Xml.SubElement(parent, "row")
    _add(line, source_ip=row.source_ip, count=row.messages)
    evaluated = Xml.SubElement(line, "policy_evaluated")
    _add(
        evaluated,
        disposition=row.disposition,
        dkim="pass" if row.dkim_aligned else "fail",
        spf="pass" if row.spf_aligned else "fail",
    )
    if row.override:
        _add(Xml.SubElement(evaluated, "reason"), type=row.override)
    identifiers = Xml.SubElement(parent, "identifiers")
    _add(identifiers, envelope_from=row.envelope_from, header_from=row.header_from)
    found = json.loads(row.results)
    results = Xml.SubElement(parent, "auth_results")
    for each in found["dkim"]:
        result = each["result"] if each["result"] in _DKIM_RESULTS else "neutral"
        _add(Xml.SubElement(results, "dkim"), domain=each["domain"], selector=each["selector"], result=result)
    spf = found["spf"]
    result = spf["result"] if spf["result"] in _SPF_RESULTS else "none"
    scope = "helo" if spf["scope"] == "helo" else "mfrom"
    _add(Xml.SubElement(results, "spf"), domain=spf["domain"], scope=scope, result=result)


def _add(parent: Xml.Element, **values: str | int) -> None:
    for name, value in values.items():
        Xml.SubElement(parent, name).text = _UNLAWFUL.sub("?", str(value))


def as_mail(reporter: Reporter, subject: Subject, identity: str, packed: bytes, to: str, now: float) -> bytes:
    """The mail that brings a document (RFC 7489 §7.2.1.1). now: seconds since the epoch."""
    submitter = reporter.address.ascii_domain
    day = datetime.fromtimestamp(subject.begin, UTC).date()
    mail = EmailMessage()
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    mail["From"], mail["To"] = str(reporter.address), to
    mail["Subject"] = f"Report Domain: {subject.domain} Submitter: {submitter} Report-ID: <{identity}>"
    mail["Message-ID"] = f"<{identity}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"What mail from {subject.domain} looked like here on {day}, by SPF, DKIM and DMARC.\n")
    name = f"{submitter}!{subject.domain}!{subject.begin}!{subject.begin + DAY - 1}.xml.gz"
    mail.add_attachment(packed, maintype="application", subtype="gzip", filename=name)
    return mail.as_bytes(policy=mail.policy.clone(linesep="\r\n", max_line_length=0))


def packed(document: bytes) -> bytes:
    """The same octets for the same document."""
    return gzip.compress(document, mtime=0)
