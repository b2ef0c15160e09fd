"""Debian's Dovecot 2.3 as it comes, with folders of its own; its mailboxes are not root's."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.imap_client import ImapClient
from bench.server import HOST, MAILBOX, NotStarted, environment, wait_for_greeting
from hub.testing.ports import free_port

Backend = Literal["maildir", "sdbox"]
"""How it keeps mail: a file for each message, in either case."""
PASSWORD: Final = "nobody-else-knows-it"
"""Of everybody: whoever has it has a mailbox."""
PATH: Final = "/usr/sbin:/usr/bin"
_NOBODY: Final = "nobody"

# What is not named here is as Dovecot has it by default. The folders lie below its own, and whose they are
# depends on who starts it.
_CONFIG = """protocols = imap pop3
listen = {host}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = no
disable_plaintext_auth = no
auth_cache_size = 10 M
auth_username_format = %Lu
mail_location = {location}
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
import_environment = TZ=UTC
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
  service_count = 0
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
}}
service imap {{
  service_count = 1000
}}
{own}{settings}
"""

# Without root there is nobody else to become, and no folder to be shut into.
_UNPRIVILEGED = """default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(slots=True)
class Dovecot:
    """One running Dovecot. pid: of its master; backend: how it keeps mail."""

    folder: Path
    pid: int
    imap_port: int
    pop3_port: int
    backend: Backend

    @property
    def setup(self) -> Mapping[str, str]:
        """What the report says of it."""
        return {
            "version": _version(),
            "mailboxes": self.backend,
            "settings": "its defaults; its processes serve many clients each, passwords are cached",
        }

    def log_in(self) -> ImapClient:
        """The mailbox's owner, on a new connection."""
        client = ImapClient(self.imap_port)
        client.ask(f'LOGIN {MAILBOX} "{PASSWORD}"')
        return client


def missing() -> str | None:
    """Why Dovecot cannot be run here."""
    if _program("dovecot") is None or not Path("/usr/lib/dovecot/imap-login").exists():
        return "Dovecot is not installed; tests/peers/install.sh installs it"
    if not Path("/usr/lib/dovecot/pop3-login").exists():
        return "Dovecot has no POP3 here; tests/peers/install.sh installs it"
    return None


@contextmanager
def running(folder: Path, backend: Backend = "maildir", settings: Sequence[str] = ()) -> Iterator[Dovecot]:
    """A Dovecot with all it has below `folder`, which its unprivileged users can reach. NotStarted.

    settings: more lines of its configuration.
    """
    dovecot = Dovecot(folder, 0, free_port(), free_port(), backend)
    _lay_out(dovecot, settings)
    command = [_program("dovecot") or "dovecot", "-F", "-c", str(folder / "dovecot.conf")]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )
    try:
        try:
            wait_for_greeting(dovecot.imap_port, process)
            wait_for_greeting(dovecot.pop3_port, process)
        except NotStarted as error:
            raise NotStarted(f"Dovecot: {error}\n{_said(folder)}") from None
        dovecot.pid = process.pid
        yield dovecot
    finally:
        process.terminate()  # its master takes its processes with it
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _lay_out(dovecot: Dovecot, settings: Sequence[str]) -> None:
    folder = dovecot.folder
    owner = pwd.getpwnam(_NOBODY) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    for name in ("mail", "state"):
        (folder / name).mkdir(mode=0o755, parents=True)
    folder.chmod(0o755)
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    layout = ":LAYOUT=fs" if dovecot.backend == "maildir" else ""
    names = {"user": owner.pw_name, "group": grp.getgrgid(owner.pw_gid).gr_name}
    (folder / "dovecot.conf").write_text(
        _CONFIG.format(
            **names,
            host=HOST,
            folder=folder,
            location=f"{dovecot.backend}:{folder}/mail/%u{layout}",
            password=PASSWORD,
            imap=dovecot.imap_port,
            pop3=dovecot.pop3_port,
            own="" if os.geteuid() == 0 else _UNPRIVILEGED.format(**names),
            settings="\n".join(settings),
        )
    )


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=PATH)


def _version() -> str:
    program = _program("dovecot")
    if program is None:
        return "unknown"
    asked = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return asked.stdout.split()[0] if asked.stdout else "unknown"


def _said(folder: Path) -> str:
    return "".join(
        path.read_text("utf-8", "replace")[-2000:]
        for path in (folder / "output", folder / "log")
        if path.exists()
    )
