"""A real Postfix whose mail for one domain goes on by LMTP."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.postfix import missing
from bench.server import wait_for_greeting
from hub.testing.ports import free_port

needs_postfix = pytest.mark.skipif(missing() is not None, reason=str(missing()))

_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = relay.example.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {domain}
virtual_transport = {transport}
{settings}
"""

_MASTER = """127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def relaying(folder: Path, transport: str, *settings: str, domain: str = "example.test") -> Iterator[int]:
    """A Postfix with all it has below a folder that everybody can reach; gives the port of its SMTP.

    transport: such as `lmtp:unix:/path` or `lmtp:inet:127.0.0.1:24`. domain: whose mail goes there. settings:
    more lines of its main.cf.
    """
    port = free_port()
    before = os.umask(0o022)
    try:
        for name in ("conf", "queue", "data"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "data", "postfix")
        (folder / "conf" / "main.cf").write_text(
            _MAIN.format(folder=folder, transport=transport, domain=domain, settings="\n".join(settings))
        )
        (folder / "conf" / "master.cf").write_text(_MASTER.format(port=port))
    finally:
        os.umask(before)
    command = [shutil.which("postfix", path="/usr/sbin:/usr/bin") or "postfix", "-c", str(folder / "conf")]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, "start-fg"], umask=0o022, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        wait_for_greeting(port, process)
        yield port
    finally:
        stopped = subprocess.run([*command, "stop"], capture_output=True, check=False)
        if stopped.returncode:
            process.kill()
        process.wait()


def send(port: int, message: bytes, *recipients: str, sender: str = "someone@elsewhere.example") -> None:
    """Give Postfix a message, asking for a report of nothing."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo("client.example")
        assert client.mail(sender, ["RET=HDRS", "ENVID=an+2Bid"])[0] == 250
        for recipient in recipients:
            code, reply = client.rcpt(recipient, ["NOTIFY=NEVER"])
            assert code == 250, reply
        code, reply = client.data(message)
        assert code == 250, reply
