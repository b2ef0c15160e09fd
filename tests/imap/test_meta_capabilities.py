"""Every word of CAPABILITY has a conversation or a test that would fail without what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from hub.config.tables.tls import TlsTable
from tests.conftest import engine
from tests.imap.conftest import OpenHub

TESTS: Final = Path(__file__).parents[1]
DIALOGUES: Final = "dialogues/imap/"

SHOWN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ACL": (DIALOGUES + "sharing.txt", "SETACL"),
        "APPENDLIMIT": (DIALOGUES + "messages.txt", "TOOBIG"),
        "AUTH=PLAIN": (DIALOGUES + "authenticate.txt", "AUTHENTICATE PLAIN"),
        "AUTH=SCRAM-SHA-256": ("imap/test_login.py", "SCRAM-SHA-256"),
        "CATENATE": ("imap/test_catenate.py", "CATENATE ("),
        "CHILDREN": (DIALOGUES + "mailboxes.txt", "\\HasChildren"),
        "CONDSTORE": (DIALOGUES + "condstore.txt", "UNCHANGEDSINCE"),
        "CREATE-SPECIAL-USE": (DIALOGUES + "special_use.txt", "(USE ("),
        "ENABLE": (DIALOGUES + "enable.txt", "* ENABLED"),
        "ID": (DIALOGUES + "login.txt", "* ID ("),
        "IDLE": (DIALOGUES + "idle.txt", "DONE"),
        "IMAP4rev1": (DIALOGUES + "messages.txt", "FETCH"),
        "LIST-EXTENDED": (DIALOGUES + "list_extended.txt", "RECURSIVEMATCH"),
        "LIST-METADATA": (DIALOGUES + "metadata.txt", "RETURN (METADATA"),
        "LIST-MYRIGHTS": (DIALOGUES + "list_extended.txt", "MYRIGHTS"),
        "LIST-STATUS": (DIALOGUES + "list_extended.txt", "STATUS ("),
        "LITERAL+": (DIALOGUES + "messages.txt", "+}"),
        "LITERAL-": (DIALOGUES + "login.txt", "+}"),
        "LOGINDISABLED": ("imap/test_login.py", "LOGINDISABLED"),
        "METADATA": (DIALOGUES + "metadata.txt", "SETMETADATA"),
        "MULTIAPPEND": (DIALOGUES + "multiappend.txt", "APPENDUID"),
        "NAMESPACE": (DIALOGUES + "mailboxes.txt", "* NAMESPACE"),
        "QRESYNC": (DIALOGUES + "qresync.txt", "VANISHED (EARLIER)"),
        "QUOTA": (DIALOGUES + "quota.txt", "GETQUOTAROOT"),
        "QUOTA=RES-MESSAGE": (DIALOGUES + "quota.txt", "MESSAGE"),
        "QUOTA=RES-STORAGE": (DIALOGUES + "quota.txt", "STORAGE"),
        "QUOTASET": (DIALOGUES + "quota.txt", "SETQUOTA"),
        "RIGHTS": (DIALOGUES + "sharing.txt", "LISTRIGHTS"),
        "SASL-IR": (DIALOGUES + "authenticate.txt", "AUTHENTICATE PLAIN "),
        "SPECIAL-USE": (DIALOGUES + "mailboxes.txt", "\\Sent"),
        "STARTTLS": ("imap/test_login.py", "STARTTLS"),
        "STATUS=SIZE": (DIALOGUES + "status.txt", "SIZE"),
        "UIDONLY": (DIALOGUES + "uidonly.txt", "UIDREQUIRED"),
        "UIDPLUS": (DIALOGUES + "messages.txt", "APPENDUID"),
        "UNSELECT": (DIALOGUES + "messages.txt", "UNSELECT"),
        "UTF8": (DIALOGUES + "utf8.txt", "ENABLE UTF8=ACCEPT"),
    }
)
"""By capability, a file below tests/ and what in it no server says or takes that lacks it. A word with a value
that depends on the configuration stands without it."""


def entry(word: str) -> str:
    """The table's name for a word of CAPABILITY."""
    return word if word in SHOWN else word.partition("=")[0]


async def test_every_capability_is_shown_by_a_test(open_hub: OpenHub, certificate: TlsTable) -> None:
    imap = await open_hub(tls=engine(certificate))
    async with await imap.client() as client:
        words = (await client.ok("CAPABILITY"))[0].decode().split()[2:]
        await client.ok("LOGIN alice@example.test demo")
        words += (await client.ok("CAPABILITY"))[0].decode().split()[2:]
    assert "STARTTLS" in words
    assert sorted({word for word in words if entry(word) not in SHOWN}) == []


@pytest.mark.parametrize("word", SHOWN)
def test_what_shows_a_capability_is_there(word: str) -> None:
    file, text = SHOWN[word]
    assert text in (TESTS / file).read_text("utf-8")
