"""A hub as an operator runs it, with TLS, for clients that are programs of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import hub_server
from bench.hub_server import Hub
from bench.server import DOMAIN
from hub.cli.main import main
from hub.testing.certificate import self_signed
from hub.testing.ports import free_port
from tests.dovecot.client import Session

PASSWORD = "open-sesame"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who has a mailbox. certificate: what a client is told to trust."""

    hub: Hub
    user: str
    certificate: Path
    pop3s_port: int

    def session(self) -> Session:
        """A connection that is logged in."""
        return Session(self.hub.imap_port, self.user, PASSWORD)


@dataclass(frozen=True, slots=True)
class Served:
    """A hub and where it speaks POP3."""

    hub: Hub
    pop3s_port: int


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One for all clients."""
    port = free_port()

    def add_pop3(config: Path) -> None:
        text = config.read_text().replace("plugins = [", 'plugins = ["pop3", ', 1)
        config.write_text(f'{text}\n[listeners.pop3s]\nprotocol = "pop3s"\nbind = ["127.0.0.1:{port}"]\n')

    folder = tmp_path_factory.mktemp("clients")
    hub = hub_server.lay_out(folder / "hub", 1, tls=True, prepare=add_pop3)
    certificate, key = self_signed(folder)
    shutil.copy(certificate, hub.folder / "cert.pem")
    shutil.copy(key, hub.folder / "key.pem")
    with hub_server.serving(hub):
        yield Served(hub, port)


@pytest.fixture
def account(served: Served, request: pytest.FixtureRequest) -> Account:
    """The test's own."""
    user = f"{re.sub('[^a-z0-9]+', '-', request.node.name)[:60].strip('-')}@{DOMAIN}"
    words = ["--config", str(served.hub.config), "account", "add", user, "--password-stdin"]
    added = CliRunner().invoke(main, words, input=f"{PASSWORD}\n")
    assert added.exit_code == 0, added.output
    return Account(served.hub, user, served.hub.folder / "cert.pem", served.pop3s_port)


def message(subject: str, text: str = "words") -> bytes:
    """A small one."""
    return (
        f"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: {subject}\r\n"
        f"Date: Mon, 2 Feb 2026 10:00:00 +0100\r\nMessage-ID: <{subject}@example.org>\r\n\r\n{text}\r\n"
    ).encode()


def append(session: Session, subjects: Sequence[str], mailbox: str = "INBOX", flags: str = "") -> None:
    """One message for each subject."""
    for subject in subjects:
        octets = message(subject)
        session.ok(f"APPEND {mailbox} ({flags}) {{{len(octets)}+}}\r\n".encode() + octets)


def subjects(session: Session, mailbox: str = "INBOX") -> Mapping[str, frozenset[str]]:
    """The flags of each message, by its subject."""
    session.ok(f'EXAMINE "{mailbox}"')
    session.ok("UID FETCH 1:* (FLAGS ENVELOPE)")
    found = {}
    for at, each in enumerate(session.known.messages):
        envelope = session.known.told[at]["ENVELOPE"]
        assert isinstance(envelope, tuple)
        assert isinstance(envelope[1], bytes)
        assert each.flags is not None
        found[envelope[1].decode()] = each.flags
    session.ok("UNSELECT")
    return found


def configured(text: str, account: Account, port: int, folder: Path) -> Path:
    """A configuration that only its owner may read, as these programs want it."""
    path = folder / "rc"
    path.touch(mode=0o600)
    path.write_text(
        text.format(
            port=port,
            user=account.user,
            password=PASSWORD,
            certificate=account.certificate,
            folder=folder,
        )
    )
    return path


def run(*command: str | Path, cwd: Path, seconds: float = 60, **environment: str) -> str:
    """What a client says; it has to succeed."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(cwd), "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where a client is not installed."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"no {program} here: tests/peers/install.sh installs it"
    )
