"""curl reads, lists and appends, over STARTTLS and TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, Account, append, message, needs, run, subjects


@needs("curl")
@pytest.mark.parametrize("scheme", ["imap", "imaps"])
def test_a_person_reads_and_appends_with_curl(account: Account, tmp_path: Path, scheme: str) -> None:
    port = account.hub.imaps_port if scheme == "imaps" else account.hub.imap_port
    session = account.session()
    append(session, [f"{scheme} one", f"{scheme} two"], flags="\\Seen")

    def curl(path: str, *options: str) -> str:
        tls = ("--ssl-reqd", "--cacert", str(account.certificate), "--ipv4")
        who = ("--user", f"{account.user}:{PASSWORD}")
        return run("curl", "-sS", *tls, *who, *options, f"{scheme}://localhost:{port}/{path}", cwd=tmp_path)

    assert f"Subject: {scheme} two" in curl("INBOX;UID=2")
    assert curl("INBOX;UID=1;SECTION=TEXT").strip() == "words"
    assert '"/" INBOX' in curl("", "-X", 'LIST "" *')
    assert curl("INBOX?SUBJECT%20two").strip() == "* SEARCH 2"
    (tmp_path / "mail").write_bytes(message("appended"))
    curl("INBOX", "-T", str(tmp_path / "mail"))
    assert "appended" in subjects(session)
    session.close()
