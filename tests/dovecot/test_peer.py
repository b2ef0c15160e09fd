"""The Dovecot that tests and benchmarks start has mail both ways, IMAP and POP3, and belongs to nobody."""

from __future__ import annotations

import poplib
from typing import cast

import pytest

from bench.dovecot import PASSWORD, Backend
from bench.server import MAILBOX
from tests.dovecot.client import Session
from tests.peers.dovecot import needs_dovecot, serving


@needs_dovecot
@pytest.mark.parametrize("backend", ["maildir", "sdbox"])
def test_it_keeps_mail_for_imap_and_pop3(backend: str) -> None:
    with serving(cast(Backend, backend)) as dovecot:
        session = Session(dovecot.imap_port, MAILBOX, PASSWORD)
        session.ok(b"APPEND INBOX {14+}\r\nSubject: x\r\n\r\n")
        session.close()
        client = poplib.POP3("127.0.0.1", dovecot.pop3_port, timeout=30)
        client.user(MAILBOX)
        client.pass_(PASSWORD)
        assert client.stat() == (1, 14)
        client.quit()
        files = [path for path in (dovecot.folder / "mail").rglob("*") if path.is_file()]
        assert files
        assert {path.owner() for path in files} == {(dovecot.folder / "mail").owner()}
        assert dovecot.setup["mailboxes"] == backend
