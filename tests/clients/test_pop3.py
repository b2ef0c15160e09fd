"""Programs that fetch mail by POP3, over TLS: poplib, mpop, fetchmail, getmail, curl."""

from __future__ import annotations

import poplib
import ssl
from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, Account, append, configured, message, needs, run, subjects

MPOP = """account hub
host localhost
port {port}
user {user}
password {password}
auth user
tls on
tls_starttls off
tls_trust_file {certificate}
keep off
uidls_file {folder}/uidls
delivery mbox {folder}/mbox
account default : hub
"""

FETCHMAIL = """poll localhost protocol pop3 port {port}
  user "{user}" password "{password}" is root here
  ssl sslcertck sslcertfile {certificate} fetchall
  mda "/bin/sh -c 'cat >>{folder}/mbox'"
"""

GETMAIL = """[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = {port}
username = {user}
password = {password}
ca_certs = {certificate}
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>{folder}/mbox")
allow_root_commands = true
[options]
delete = true
"""


@pytest.mark.proves("pop3: poplib, mpop, fetchmail, getmail and curl fetch mail and remove it")
def test_poplib_lists_reads_and_removes(account: Account) -> None:
    session = account.session()
    append(session, ["one", "two"])
    context = ssl.create_default_context(cafile=str(account.certificate))
    client = poplib.POP3_SSL("localhost", account.pop3s_port, context=context, timeout=30)
    client.user(account.user)
    client.pass_(PASSWORD)
    assert client.stat()[0] == 2
    assert b"\r\n".join(client.retr(2)[1]) + b"\r\n" == message("two")
    assert len(set(client.uidl()[1])) == 2
    client.dele(1)
    client.quit()
    assert list(subjects(session)) == ["two"]
    session.close()


@pytest.mark.parametrize(
    ("command", "text"),
    [
        pytest.param("mpop --file={rc}", MPOP, marks=needs("mpop")),
        pytest.param(
            "fetchmail --fetchmailrc {rc} --pidfile {folder}/pid", FETCHMAIL, marks=needs("fetchmail")
        ),
        pytest.param("getmail --getmaildir {folder} --rcfile {rc}", GETMAIL, marks=needs("getmail")),
    ],
    ids=["mpop", "fetchmail", "getmail"],
)
def test_mail_is_fetched_and_removed(account: Account, tmp_path: Path, command: str, text: str) -> None:
    session = account.session()
    append(session, [f"mail {number}" for number in range(10)])
    path = configured(text, account, account.pop3s_port, tmp_path)
    run(*command.format(rc=path, folder=tmp_path).split(), cwd=tmp_path)
    assert (tmp_path / "mbox").read_text().count("\nSubject: mail ") == 10
    assert not subjects(session)
    session.close()


@needs("curl")
def test_curl_reads_by_number(account: Account, tmp_path: Path) -> None:
    session = account.session()
    append(session, ["one", "two"])
    address = f"pop3s://localhost:{account.pop3s_port}/2"
    tls = ("--cacert", account.certificate, "--ipv4")
    assert "Subject: two" in run(
        "curl", "-sS", *tls, "--user", f"{account.user}:{PASSWORD}", address, cwd=tmp_path
    )
    session.close()
