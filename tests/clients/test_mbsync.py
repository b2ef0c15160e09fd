"""mbsync keeps a Maildir and the mailboxes of the hub the same, both ways."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.conftest import PASSWORD, Account, append, message, needs, run, subjects
from tests.soak import Soak

CONFIG = """IMAPAccount hub
Host localhost
Port {port}
User {user}
Pass {password}
SSLType IMAPS
CertificateFile {certificate}

IMAPStore far
Account hub

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
"""
FLAGS = {"S": "\\seen", "F": "\\flagged", "R": "\\answered", "T": "\\deleted", "D": "\\draft"}
SUBJECT = re.compile(rb"^Subject: ([^\r\n]*)", re.MULTILINE)


def near(folder: Path) -> dict[str, frozenset[str]]:
    """The flags of each message in a Maildir, by its subject."""
    found = {}
    for path in (*folder.glob("cur/*"), *folder.glob("new/*")):
        named = SUBJECT.search(path.read_bytes())
        assert named is not None, path
        found[named[1].decode()] = frozenset(FLAGS[letter] for letter in path.name.partition(":2,")[2])
    return found


def change(folder: Path, subject: str, letters: str) -> None:
    """Flag a message as a reader of the Maildir does."""
    for path in (*folder.glob("cur/*"), *folder.glob("new/*")):
        if (named := SUBJECT.search(path.read_bytes())) and named[1] == subject.encode():
            path.rename(folder / "cur" / f"{path.name.partition(':')[0]}:2,{letters}")
            return
    raise AssertionError(subject)


@needs("mbsync")
@pytest.mark.soak
@pytest.mark.timeout(120)
@pytest.mark.proves(
    "imap: mbsync, offlineimap, fetchmail, getmail, curl, imapclient and imapflow read and change mail"
)
def test_two_ways(account: Account, tmp_path: Path, soak: Soak) -> None:
    count = soak.times(300, soak=10_000)
    session = account.session()
    append(session, [f"far {number}" for number in range(count)])
    session.ok("CREATE Archive/2026")
    append(session, ["kept"], "Archive/2026", "\\Seen")
    config = tmp_path / "mbsyncrc"
    config.write_text(
        CONFIG.format(
            port=account.hub.imaps_port,
            user=account.user,
            password=PASSWORD,
            certificate=account.certificate,
            folder=tmp_path,
        )
    )
    (tmp_path / "mail").mkdir()

    def sync() -> None:
        run("mbsync", "--config", config, "--all", cwd=tmp_path, seconds=600)

    def same() -> dict[str, frozenset[str]]:
        inbox = dict(subjects(session))
        assert near(tmp_path / "mail" / "INBOX") == inbox
        assert near(tmp_path / "mail" / "Archive/2026") == dict(subjects(session, "Archive/2026"))
        return inbox

    sync()
    assert len(same()) == count
    inbox = tmp_path / "mail" / "INBOX"
    change(inbox, "far 1", "FS")
    change(inbox, "far 2", "ST")
    for number in range(3):
        (inbox / "new" / f"near{number}").write_bytes(message(f"near {number}").replace(b"\r\n", b"\n"))
    session.ok("SELECT INBOX")
    session.ok("UID STORE 1 +FLAGS (\\Answered)")
    session.ok("UID STORE 5:6 +FLAGS (\\Deleted)")
    session.ok("EXPUNGE")
    session.ok("UNSELECT")
    append(session, ["late"])
    sync()
    inbox_now = same()
    assert inbox_now["far 1"] == {"\\flagged", "\\seen"}
    assert inbox_now["far 0"] == {"\\answered"}
    assert {"near 0", "near 1", "near 2", "late"} < inbox_now.keys()
    assert not {"far 2", "far 4", "far 5"} & inbox_now.keys()
    before = sorted(path.name for path in inbox.rglob("*") if path.is_file())
    sync()
    assert same() == inbox_now
    assert sorted(path.name for path in inbox.rglob("*") if path.is_file()) == before
    session.close()
    soak.found("mbsync", f"{count:,} messages both ways, no difference")
