"""Programs that fetch mail away: offlineimap, fetchmail, getmail, over TLS."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import Account, append, configured, needs, run, subjects
from tests.clients.test_mbsync import change, near

OFFLINEIMAP = """[general]
accounts = hub
metadata = {folder}/metadata
[Account hub]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {folder}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {certificate}
ipv6 = no
"""

FETCHMAIL = """poll localhost protocol imap port {port}
  user "{user}" password "{password}" is root here
  ssl sslcertck sslcertfile {certificate} fetchall
  mda "/bin/sh -c 'cat >>{folder}/mbox'"
"""

GETMAIL = """[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = {port}
username = {user}
password = {password}
ca_certs = {certificate}
mailboxes = ("INBOX",)
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>{folder}/mbox")
allow_root_commands = true
[options]
delete = true
"""


@needs("offlineimap")
def test_offlineimap_keeps_two_sides_the_same(account: Account, tmp_path: Path) -> None:
    session = account.session()
    append(session, [f"far {number}" for number in range(20)])
    config = configured(OFFLINEIMAP, account, account.hub.imaps_port, tmp_path)

    def sync() -> None:
        run("offlineimap", "-o", "-u", "basic", "-c", config, cwd=tmp_path)

    sync()
    inbox = tmp_path / "mail" / "INBOX"
    assert near(inbox) == dict(subjects(session))
    assert len(near(inbox)) == 20
    change(inbox, "far 3", "FS")
    session.ok("SELECT INBOX")
    session.ok("UID STORE 8 +FLAGS (\\Deleted)")
    session.ok("EXPUNGE")
    session.ok("UNSELECT")
    append(session, ["late"])
    sync()
    assert near(inbox) == dict(subjects(session))
    assert near(inbox)["far 3"] == {"\\flagged", "\\seen"}
    assert "far 7" not in near(inbox)
    assert "late" in near(inbox)
    session.close()


@needs("fetchmail")
def test_fetchmail_takes_mail_away(account: Account, tmp_path: Path) -> None:
    session = account.session()
    append(session, [f"mail {number}" for number in range(10)])
    config = configured(FETCHMAIL, account, account.hub.imaps_port, tmp_path)
    run("fetchmail", "--fetchmailrc", config, "--pidfile", tmp_path / "pid", cwd=tmp_path)
    assert (tmp_path / "mbox").read_text().count("\nSubject: mail ") == 10
    assert not subjects(session)
    session.close()


@needs("getmail")
def test_getmail_takes_mail_away(account: Account, tmp_path: Path) -> None:
    session = account.session()
    append(session, [f"mail {number}" for number in range(10)])
    config = configured(GETMAIL, account, account.hub.imaps_port, tmp_path)
    run("getmail", "--getmaildir", tmp_path, "--rcfile", config, cwd=tmp_path)
    assert (tmp_path / "mbox").read_text().count("\nSubject: mail ") == 10
    assert not subjects(session)
    session.close()
