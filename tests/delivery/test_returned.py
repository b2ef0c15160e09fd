"""What a report that comes back says of its recipient."""

from __future__ import annotations

import pytest

from hub.delivery.returned import reported

REPORT = (
    b"From: MAILER-DAEMON@elsewhere.example\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\n\r\nIt did not work.\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.elsewhere.example\r\n\r\n"
    b"Final-Recipient: rfc822; ann@elsewhere.example\r\n"
    b"Action: failed\r\n"
    b"Status: 5.1.1\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 nobody\r\n of that name\r\n\r\n"
    b"--b--\r\n"
)


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (REPORT, ("failed", "5.1.1", "550 5.1.1 nobody of that name")),
        (REPORT.replace(b"failed", b"Delayed"), ("delayed", "5.1.1", "550 5.1.1 nobody of that name")),
        (
            REPORT.replace(b"5.1.1\r\nDia", b"what?\r\nDia"),
            ("failed", "5.0.0", "550 5.1.1 nobody of that name"),
        ),
        (REPORT[: REPORT.index(b"Final-R")], ("", "5.0.0", "")),
        (b"Subject: It came back\r\n\r\nso sorry\r\n", ("", "5.0.0", "")),
        (b"Auto-Submitted: auto-replied\r\n\r\nI am away\r\n", ("replied", "2.0.0", "")),
        (b"", ("", "5.0.0", "")),
    ],
)
def test_it_is_read_however_little_it_says(octets: bytes, said: tuple[str, str, str]) -> None:
    assert reported(octets) == said
