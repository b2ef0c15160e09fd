"""From a mail to the documents of the reports in it: the right parts, unpacked within bounds."""

from __future__ import annotations

import email
import email.policy
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Final

from hub_plugin_reports.dmarc import read_dmarc
from hub_plugin_reports.report import Report, ReportError
from hub_plugin_reports.tls import read_tls

MAX_MAIL: Final = 20 << 20
MAX_DOCUMENT: Final = 100 << 20
MAX_DOCUMENTS: Final = 10
_TYPES: Final = (
    "application/gzip",
    "application/octet-stream",
    "application/tlsrpt+gzip",
    "application/tlsrpt+json",
    "application/x-gzip",
    "application/x-zip-compressed",
    "application/xml",
    "application/zip",
    "text/xml",
)


def reports_in(mail: bytes) -> Iterator[Report]:
    """Every report in a mail, none if it brings none. ReportError."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    left = MAX_DOCUMENTS
    for part in message.walk():
        if part.get_content_type() not in _TYPES or not left:
            continue
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        left -= 1
        document = unpacked(content).lstrip(b"\xef\xbb\xbf \t\r\n")
        if document.startswith(b"<"):
            yield read_dmarc(document)
        elif document.startswith(b"{"):
            yield from read_tls(document)
        elif part.get_content_type() != "application/octet-stream":
            raise ReportError("the document is neither XML nor JSON")


def unpacked(content: bytes) -> bytes:
    """What is in a gzip or a zip file, or the content itself. ReportError."""
    try:
        if content.startswith(b"\x1f\x8b"):
            with gzip.open(io.BytesIO(content)) as file:
                return _bounded(file.read(MAX_DOCUMENT + 1))
        if content.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                names = [each for each in archive.infolist() if not each.is_dir()]
                if len(names) != 1:
                    raise ReportError(f"the zip file holds {len(names)} files, not one")
                with archive.open(names[0]) as file:
                    return _bounded(file.read(MAX_DOCUMENT + 1))
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ReportError(f"it cannot be unpacked: {error}") from None
    return content


def _bounded(document: bytes) -> bytes:
    if len(document) > MAX_DOCUMENT:
        raise ReportError(f"it unpacks to more than {MAX_DOCUMENT >> 20} MiB")
    return document
