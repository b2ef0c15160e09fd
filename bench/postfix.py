"""Debian's Postfix as it comes, with folders of its own, delivering durably into one virtual(8) maildir."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.server import DOMAIN, HOST, MAILBOX, NotStarted, environment, wait_for_greeting
from bench.smtp_source import PATH
from hub.testing.ports import free_port

OWNER: Final = "nobody"
"""Whom the maildir belongs to."""

# What is not named here is as Postfix has it by default. postlogd(8) writes its log, as the hub does.
_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = postfix.{domain}
mydestination =
alias_maps =
inet_interfaces = {host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mailbox_size_limit = 0
virtual_mailbox_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {{ {mailbox} = reader/ }} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""

_MASTER = """{host}:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(slots=True)
class Postfix:
    """One running Postfix. Its 250 comes before delivery, so its maildir is looked at."""

    folder: Path
    pid: int
    port: int
    delivers_first: bool = False

    @property
    def setup(self) -> Mapping[str, str]:
        """What the report says of it."""
        return setup()

    def stored(self) -> int:
        """Files in the maildir's new/; nothing reads them, so none are in cur/."""
        try:
            return len(os.listdir(self.folder / "mail" / "reader" / "new"))
        except FileNotFoundError:
            return 0  # made with the first message


def setup() -> Mapping[str, str]:
    """What the report says of any of them."""
    return {
        "version": _postconf("-dh", "mail_version"),
        "delivery": "virtual(8) to a maildir",
        "settings": "its defaults, no chroot, its log in a file",
    }


def missing() -> str | None:
    """Why Postfix cannot be run here."""
    if _program("postfix") is None:
        return "Postfix is not installed; tests/peers/install.sh installs it"
    if os.geteuid() != 0:
        return "Postfix is started by root alone, who has to run this"
    return None


@contextmanager
def running(folder: Path) -> Iterator[Postfix]:
    """A Postfix with everything it has below `folder`, which its unprivileged users can reach. NotStarted."""
    port = free_port()
    _lay_out(folder, port)
    command = [_program("postfix") or "postfix", "-c", str(folder / "conf")]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, "start-fg"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )
    try:
        try:
            wait_for_greeting(port, process)
        except NotStarted as error:
            raise NotStarted(f"Postfix: {error}\n{_said(folder)}") from None
        yield Postfix(folder, process.pid, port)
    finally:
        # `start-fg` is a shell around master(8), which takes its processes with it.
        stopped = subprocess.run([*command, "stop"], capture_output=True, env=environment(), check=False)
        if stopped.returncode:
            process.kill()
        process.wait()


def _lay_out(folder: Path, port: int) -> None:
    owner = pwd.getpwnam(OWNER)
    for name in ("conf", "queue", "data", "mail"):
        (folder / name).mkdir(mode=0o755, parents=True)
    folder.chmod(0o755)
    shutil.chown(folder / "data", "postfix")
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    (folder / "conf" / "main.cf").write_text(
        _MAIN.format(
            folder=folder, domain=DOMAIN, host=HOST, mailbox=MAILBOX, uid=owner.pw_uid, gid=owner.pw_gid
        )
    )
    (folder / "conf" / "master.cf").write_text(_MASTER.format(host=HOST, port=port))


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=PATH)


def _postconf(*arguments: str) -> str:
    program = _program("postconf")
    if program is None:
        return "unknown"
    # Defaults alone, so that no configuration of the machine's own is needed.
    asked = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"


def _said(folder: Path) -> str:
    return "".join(
        path.read_text("utf-8", "replace")[-2000:]
        for path in (folder / "output", folder / "log")
        if path.exists()
    )
