"""Every word of CAPABILITY has a conversation or a test that would fail without what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from hub.config.tables.tls import TlsTable
from tests.conftest import engine
from tests.imap.conftest import OpenHub

TESTS: Final = Path(__file__).parents[1]
DIALOGUES: Final = "dialogues/imap/"

SHOWN: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ACL": (DIALOGUES + "sharing.txt", "SETACL"),
        "APPENDLIMIT": (DIALOGUES + "messages.txt", "TOOBIG"),
        "AUTH=LOGIN": (DIALOGUES + "authenticate.txt", "AUTHENTICATE LOGIN"),
        "AUTH=PLAIN": (DIALOGUES + "authenticate.txt", "AUTHENTICATE PLAIN"),
        "AUTH=SCRAM-SHA-256": ("imap/test_login.py", "SCRAM-SHA-256"),
        "BINARY": (DIALOGUES + "fetch.txt", "BINARY.PEEK["),
        "CATENATE": ("imap/test_catenate.py", "CATENATE ("),
        "CHILDREN": (DIALOGUES + "mailboxes.txt", "\\HasChildren"),
        "COMPRESS=DEFLATE": ("imap/test_compress.py", "COMPRESS DEFLATE"),
        "CONDSTORE": (DIALOGUES + "condstore.txt", "UNCHANGEDSINCE"),
        "CONTEXT=SEARCH": (DIALOGUES + "contexts.txt", "SEARCH RETURN (UPDATE"),
        "CONTEXT=SORT": (DIALOGUES + "contexts.txt", "ADDTO (1 5 4 4)"),
        "CREATE-SPECIAL-USE": (DIALOGUES + "special_use.txt", "(USE ("),
        "ENABLE": (DIALOGUES + "enable.txt", "* ENABLED"),
        "ESEARCH": (DIALOGUES + "search.txt", "* ESEARCH"),
        "ESORT": (DIALOGUES + "search.txt", "SORT RETURN"),
        "I18NLEVEL=1": (DIALOGUES + "i18nlevel.txt", "SORT (SUBJECT)"),
        "ID": (DIALOGUES + "login.txt", "* ID ("),
        "IDLE": (DIALOGUES + "idle.txt", "DONE"),
        "IMAP4rev1": (DIALOGUES + "messages.txt", "FETCH"),
        "IMAP4rev2": (DIALOGUES + "rev2.txt", "ENABLE IMAP4rev2"),
        "INPROGRESS": ("imap/test_progress.py", "INPROGRESS"),
        "LIST-EXTENDED": (DIALOGUES + "list_extended.txt", "RECURSIVEMATCH"),
        "LIST-METADATA": (DIALOGUES + "metadata.txt", "RETURN (METADATA"),
        "LIST-MYRIGHTS": (DIALOGUES + "list_extended.txt", "MYRIGHTS"),
        "LIST-STATUS": (DIALOGUES + "list_extended.txt", "STATUS ("),
        "LITERAL+": (DIALOGUES + "messages.txt", "+}"),
        "LITERAL-": (DIALOGUES + "login.txt", "+}"),
        "LOGINDISABLED": ("imap/test_login.py", "LOGINDISABLED"),
        "METADATA": (DIALOGUES + "metadata.txt", "SETMETADATA"),
        "MOVE": (DIALOGUES + "move.txt", "MOVE"),
        "MULTIAPPEND": (DIALOGUES + "multiappend.txt", "APPENDUID"),
        "MULTISEARCH": (DIALOGUES + "multisearch.txt", "MAILBOX INBOX UIDVALIDITY"),
        "NAMESPACE": (DIALOGUES + "mailboxes.txt", "* NAMESPACE"),
        "NOTIFY": (DIALOGUES + "notify.txt", "NOTIFY SET"),
        "OBJECTID": ("imap/test_threadid.py", "SEARCH THREADID"),
        "PARTIAL": (DIALOGUES + "search.txt", "RETURN (PARTIAL"),
        "PREVIEW": (DIALOGUES + "fetch.txt", "PREVIEW (LAZY)"),
        "QRESYNC": (DIALOGUES + "qresync.txt", "VANISHED (EARLIER)"),
        "QUOTA": ("imap/test_quota.py", "GETQUOTAROOT"),
        "QUOTA=RES-MESSAGE": ("imap/test_quota.py", "MESSAGE"),
        "QUOTA=RES-STORAGE": ("imap/test_quota.py", "STORAGE"),
        "QUOTASET": ("imap/test_quota.py", "SETQUOTA"),
        "REPLACE": (DIALOGUES + "replace.txt", "REPLACE"),
        "RIGHTS": (DIALOGUES + "sharing.txt", "LISTRIGHTS"),
        "SASL-IR": (DIALOGUES + "authenticate.txt", "AUTHENTICATE PLAIN "),
        "SAVEDATE": (DIALOGUES + "search.txt", "SAVEDSINCE"),
        "SEARCH=FUZZY": (DIALOGUES + "fuzzy.txt", "RELEVANCY ("),
        "SEARCHRES": (DIALOGUES + "search.txt", "FETCH $ FLAGS"),
        "SORT": (DIALOGUES + "search.txt", "* SORT"),
        "SORT=DISPLAY": (DIALOGUES + "search.txt", "DISPLAYFROM"),
        "SPECIAL-USE": (DIALOGUES + "mailboxes.txt", "\\Sent"),
        "STARTTLS": ("imap/test_login.py", "STARTTLS"),
        "STATUS=SIZE": (DIALOGUES + "status.txt", "SIZE"),
        "THREAD=ORDEREDSUBJECT": (DIALOGUES + "search.txt", "THREAD ORDEREDSUBJECT"),
        "THREAD=REFERENCES": (DIALOGUES + "search.txt", "THREAD REFERENCES"),
        "UIDONLY": (DIALOGUES + "uidonly.txt", "UIDREQUIRED"),
        "UIDPLUS": (DIALOGUES + "messages.txt", "APPENDUID"),
        "UNAUTHENTICATE": ("imap/test_compress.py", "UNAUTHENTICATE"),
        "UNSELECT": (DIALOGUES + "messages.txt", "UNSELECT"),
        "UTF8": (DIALOGUES + "utf8.txt", "ENABLE UTF8=ACCEPT"),
        "WITHIN": (DIALOGUES + "search.txt", "OLDER"),
    }
)
"""By capability, a file below tests/ and what in it no server says or takes that lacks it. A word whose value
depends on the configuration stands without it."""


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
    assert sorted({word for word in words if not is_shown(entry(word))}) == []


def is_shown(word: str) -> bool:
    """Whether the table has it, and what it names is there."""
    file, text = SHOWN.get(word, ("", ""))
    path = TESTS / file
    return path.is_file() and text in path.read_text("utf-8")
