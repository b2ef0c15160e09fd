"""imapclient from login to logout, with TLS: its IDLE, and what it makes of structures and flags."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from imapclient import IMAPClient

from tests.clients.conftest import PASSWORD, Account, append, message


@pytest.fixture
def client(account: Account) -> Iterator[IMAPClient]:
    """Logged in over TLS."""
    context = ssl.create_default_context(cafile=str(account.certificate))
    with IMAPClient("localhost", account.hub.imaps_port, ssl_context=context, timeout=30) as client:
        client.login(account.user, PASSWORD)
        yield client


def test_a_person_reads_flags_moves_and_deletes(client: IMAPClient) -> None:
    client.create_folder("Kept")
    for number in range(5):
        client.append("INBOX", message(f"mail {number}"), flags=(b"\\Draft",))
    assert client.select_folder("INBOX")[b"EXISTS"] == 5
    assert client.search(["SUBJECT", "mail 3"]) == [4]
    client.add_flags([1, 2], [b"\\Flagged", b"work"])
    assert set(client.get_flags([1])[1]) == {b"\\Draft", b"\\Flagged", b"work"}
    found = client.fetch([2], ["ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]"])[2]
    assert found[b"ENVELOPE"].subject == b"mail 1"
    assert found[b"BODY[]"] == message("mail 1")
    client.copy([5], "Kept")
    client.delete_messages([5])
    client.expunge()
    assert client.folder_status("Kept")[b"MESSAGES"] == 1
    assert client.search() == [1, 2, 3, 4]
    names = {name for _, _, name in client.list_folders()}
    assert {"INBOX", "Kept"} <= names
    client.create_folder("Grüße & Küsse")
    assert client.folder_exists("Grüße & Küsse")


def test_what_it_finds_offered_works(client: IMAPClient) -> None:
    for number in range(4):
        client.append("INBOX", message(f"mail {3 - number}"))
    assert client.enable("CONDSTORE") == [b"CONDSTORE"]
    client.select_folder("INBOX")
    if client.has_capability("SORT"):
        assert client.sort(["SUBJECT"]) == [4, 3, 2, 1]
    if client.has_capability("THREAD=REFERENCES"):
        assert sorted(client.thread("REFERENCES")) == [(1,), (2,), (3,), (4,)]
    if client.has_capability("MOVE"):
        client.create_folder("Moved")
        client.move([1, 2], "Moved")
        assert client.search() == [3, 4]
    if client.has_capability("QUOTA"):
        client.get_quota_root("INBOX")


def test_idle_tells_of_new_mail(account: Account, client: IMAPClient) -> None:
    client.select_folder("INBOX")
    client.idle()
    session = account.session()
    append(session, ["new"])
    found: list[tuple[object, ...]] = []
    while (1, b"EXISTS") not in found:
        answers = client.idle_check(timeout=20)
        assert answers, "nothing was told"
        found += answers
    client.idle_done()
    session.close()
