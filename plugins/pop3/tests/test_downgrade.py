"""Headers in UTF-8 for clients that have not said UTF8."""

from email import message_from_bytes, policy

import pytest
from hub_plugin_pop3.downgrade import ascii_block, is_international

from hub import Headers

BLOCK = (
    "From: Jörg Müller <joerg@example.org>\r\n"
    'To: "Plain, Name" <a@example.org>, émile@exämple.org\r\n'
    "Subject: Grüße aus\r\n Köln\r\n"
    'Content-Type: text/plain; name="ü b.txt"; charset=utf-8\r\n'
    "X-Plain: as it is\r\n"
    "\r\n"
).encode()


def test_what_was_in_utf8_reads_the_same_in_ascii() -> None:
    made = ascii_block(Headers(BLOCK))
    assert made.isascii()
    read = message_from_bytes(made, policy=policy.default)
    assert read["Subject"] == "Grüße aus Köln"
    assert [each.display_name for each in read["From"].addresses] == ["Jörg Müller"]
    assert [each.addr_spec for each in read["From"].addresses] == ["joerg@example.org"]
    assert read["To"].addresses[0].addr_spec == "a@example.org"
    assert len(read["To"].addresses) == 1  # who cannot be written is a group of nobody
    assert read["To"].groups[1].display_name == "émile@exämple.org removed"
    assert read.get_filename() == "ü b.txt"
    assert read["X-Plain"] == "as it is"
    assert made.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("block", "is_so"),
    [
        (b"Subject: a\r\n\r\n", False),
        (b"Subject: \xe4\r\n\r\n", False),
        ("Subject: ä\r\n\r\n".encode(), True),
    ],
    ids=["ascii", "latin-1", "utf-8"],
)
def test_only_utf8_is_international(block: bytes, is_so: bool) -> None:
    assert is_international(block) is is_so
