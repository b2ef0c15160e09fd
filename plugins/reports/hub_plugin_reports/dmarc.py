"""DMARC's aggregate reports (RFC 7489 Appendix C): XML, in whatever namespace.

Who sends them is not known, so that a document type, which is where entities are declared, is refused.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from hub_plugin_reports.report import MAX_LINES, Line, Report, ReportError, short

MAX_ELEMENTS: Final = 2_000_000
MAX_DEPTH: Final = 50
MAX_COUNT: Final = 1 << 40


def read_dmarc(document: bytes) -> Report:
    """The report in a document. ReportError."""
    root = _parsed(document)
    if root.tag != "feedback":
        raise ReportError(f"its XML is <{short(root.tag)[:40]}>, not <feedback>")
    metadata, policy = root.find("report_metadata"), root.find("policy_published")
    if metadata is None or policy is None:
        raise ReportError("it has no report_metadata, or no policy_published")
    records = root.findall("record")
    if len(records) > MAX_LINES:
        raise ReportError(f"it has {len(records):,} records, more than {MAX_LINES:,}")
    return Report(
        "dmarc",
        _text(metadata, "org_name") or _text(metadata, "email"),
        _text(metadata, "report_id"),
        _text(policy, "domain").lower(),
        _number(metadata, "date_range/begin"),
        _number(metadata, "date_range/end"),
        tuple(map(_line, records)),
    )


def _line(record: Element) -> Line:
    evaluated = "row/policy_evaluated/"
    dkim, spf = _text(record, f"{evaluated}dkim").lower(), _text(record, f"{evaluated}spf").lower()
    said = [f"from {_text(record, 'identifiers/header_from')}", f"dkim={dkim}", f"spf={spf}"]
    if reason := _text(record, f"{evaluated}reason/type"):
        said.append(f"excused: {reason}")
    return Line(
        _text(record, "row/source_ip"),
        _number(record, "row/count"),
        "pass" in (dkim, spf),
        _text(record, f"{evaluated}disposition").lower() or "none",
        short(", ".join(said)),
    )


def _text(parent: Element, path: str) -> str:
    return short(parent.findtext(path))


def _number(parent: Element, path: str) -> int:
    text = _text(parent, path)
    if not (text.isascii() and text.isdigit() and len(text) < 14) or int(text) > MAX_COUNT:
        raise ReportError(f"its {path.rpartition('/')[2]} is no number: {text[:40]!r}")
    return int(text)


def _parsed(document: bytes) -> Element:
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = elements = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, elements
        depth, elements = depth + 1, elements + 1
        if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
            raise ReportError("its XML has too many elements, or is nested too deep")
        builder.start(name.rpartition(" ")[2], {})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name.rpartition(" ")[2])

    def refuse(*_: object) -> None:
        raise ReportError("its XML declares a document type")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(document, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, ValueError) as error:
        if isinstance(error, ReportError):
            raise
        raise ReportError(f"its XML is broken: {error}") from None
