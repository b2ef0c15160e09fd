"""The main job, end to end: through plugins into a mailbox, read back, a plugin swapped while it runs."""

from __future__ import annotations

import asyncio
import base64
import shutil
import smtplib
from collections.abc import Sequence
from functools import partial
from imaplib import IMAP4
from pathlib import Path
from poplib import POP3
from typing import cast

import pytest

from hub.hooks.areas import SPECS
from hub.loading.scope import Scope
from hub.mail.headers import Headers
from hub.services.clock import SystemClock
from hub.testing.recorder import Recorder
from hub.testing.running import RunningHub, running_hub

SHIPPED = ("deny-list", "rate-limit", "tracing-console")

NOBODY = '''"""Refuse mail to nobody@."""
from hub import Reject, hookimpl

@hookimpl
async def smtp_rcpt(recipient):
    if recipient.local == "nobody":
        return Reject("5.1.1", "nobody is not here")
'''

JUDGE = '''"""Say so in every message."""
from hub import Finding, hookimpl

@hookimpl
async def check_message(message):
    return Finding(headers=(("X-Judged", message.headers.get("Subject") or "-"),))
'''


async def reloaded(hub: RunningHub) -> None:
    report = await hub.hub.loader.reload()
    assert report.ok, report.errors


@pytest.mark.proves(
    "mail: a message that swaks sends is judged by a plugin, durable at 250, and read by imaplib"
)
@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed")
async def test_a_mail_sent_by_swaks_is_judged_by_a_plugin_and_read_by_imaplib(tmp_path: Path) -> None:
    async with running_hub(tmp_path, plugins=SHIPPED) as hub:
        (hub.plugins_dir / "judge.py").write_text(JUDGE)
        await reloaded(hub)
        swaks = await asyncio.create_subprocess_exec(
            "swaks", "--server", f"127.0.0.1:{hub.port()}", "--helo", "client.example.test",
            "--from", "bob@example.test", "--to", "alice@example.test",
            "--header", "Subject: From afar", "--body", "Hello Alice",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await swaks.communicate()
        assert swaks.returncode == 0, said.decode()
        assert b"250 2.0.0 delivered as " in said
        (message,) = await hub.mailbox()
        assert b"\r\nX-Judged: From afar\r\n" in message
        assert message.startswith(b"Return-Path: <bob@example.test>\r\n")
        assert b"Hello Alice" in message


@pytest.mark.proves(
    "plugins: a saved file serves the next mail; a broken one changes nothing and says file and line"
)
async def test_a_saved_plugin_refuses_the_next_mail_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    async with running_hub(tmp_path, accounts=("alice@example.test", "nobody@example.test")) as hub:
        assert (await hub.send(to="nobody@example.test"))[0] == 250
        plugin = hub.plugins_dir / "nobody.py"
        plugin.write_text(NOBODY)
        await reloaded(hub)
        assert await hub.send(to="nobody@example.test") == (550, "5.1.1 nobody is not here")
        serving = hub.hub.kernel.generations.current
        plugin.write_text(NOBODY.replace("(recipient)", "(rcpt)"))
        report = await hub.hub.loader.reload()
        (error,) = report.errors
        assert str(error).startswith(
            "nobody.py:5: smtp_rcpt has no argument 'rcpt'. It offers: plugin, session"
        )
        assert "Did you mean 'recipient'?  See: hub hooks smtp_rcpt" in str(error)
        assert hub.hub.kernel.generations.current is serving
        assert (await hub.send(to="nobody@example.test"))[0] == 550
        plugin.unlink()
        await reloaded(hub)
        assert (await hub.send(to="nobody@example.test"))[0] == 250


async def test_a_session_goes_on_through_a_reload_and_a_transaction_keeps_its_generation(
    tmp_path: Path,
) -> None:
    async with running_hub(tmp_path) as hub:
        loop = asyncio.get_running_loop()

        def reload_now(text: str) -> None:
            (hub.plugins_dir / "nobody.py").write_text(text)
            asyncio.run_coroutine_threadsafe(reloaded(hub), loop).result(30)

        def talk(client: smtplib.SMTP) -> list[int]:
            client.ehlo("client.example.test")
            codes = [client.mail("bob@example.test")[0]]
            reload_now(NOBODY.replace('"nobody"', '"alice"'))
            codes.append(client.rcpt("alice@example.test")[0])
            codes.append(client.data(b"Subject: before\r\n\r\n")[0])
            codes.append(client.mail("bob@example.test")[0])
            codes.append(client.rcpt("alice@example.test")[0])
            return codes

        assert await hub.smtp(talk) == [250, 250, 250, 250, 550]


class Ahead(SystemClock):
    """The machine's time, some seconds ahead."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


def send_on_to(hub: RunningHub, other: RunningHub) -> None:
    """What it sends to elsewhere.example comes to another hub, and all else to where nobody listens."""
    kernel = hub.hub.kernel
    routes = {"elsewhere.example": f"127.0.0.1:{other.port('smtp')}", "*": "127.0.0.1:9"}
    said = {"enabled": True, "routes": routes, "verp": ("alice@example.test",)}
    relay = kernel.settings.relay.model_copy(update=said)
    kernel.settings = kernel.settings.model_copy(update={"relay": relay})


async def test_every_hook_fires(tmp_path: Path) -> None:
    clock = Ahead()
    protocols = ("smtp", "submission", "imap", "pop3")
    tables = {
        "listeners": {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in protocols},
        "plugins": {"alerts": {"interval": 1}, "outbound-guard": {"strangers": 3}},
    }
    plugins = (*SHIPPED, "alerts", "outbound-guard", "pop3")
    async with (
        running_hub(tmp_path / "other", accounts=["ann@elsewhere.example"]) as other,
        running_hub(tmp_path, plugins=plugins, tables=tables, clock=clock) as hub,
    ):
        recorder = Recorder(hub.plugins_dir)
        await reloaded(hub)
        plugin = hub.plugins_dir / "recorder.py"
        plugin.write_text(plugin.read_text() + "\n# a second version\n")
        await reloaded(hub)
        (hub.plugins_dir / "broken.py").write_text("def\n")
        assert not (await hub.hub.loader.reload()).ok
        (hub.plugins_dir / "broken.py").write_text(
            '"""Fails."""\nfrom hub import hookimpl\n\n@hookimpl\nasync def smtp_helo(name):\n'
            '    if name.startswith("bad"):\n        raise ValueError(name)\n'
        )
        await reloaded(hub)

        def submit(client: smtplib.SMTP, to: Sequence[str] = ("bob@example.test",)) -> None:
            client.ehlo("client.example.test")
            client.login("alice@example.test", "demo")
            client.sendmail("alice@example.test", to, "Subject: hello\r\n\r\nhello\r\n")

        await hub.smtp(submit, "submission")
        send_on_to(hub, other)
        strangers = [f"{name}@elsewhere.example" for name in ("ann", "unknown", "one-too-many")]
        await hub.smtp(partial(submit, to=["any@closed.example", *strangers]), "submission")
        await hub.send(to="unknown@example.test")
        assert (await hub.send("Received: a\r\n" * 200 + "\r\n"))[0] == 554

        def fail_to_log_in(client: smtplib.SMTP) -> None:
            client.ehlo("client.example.test")
            first = base64.b64encode(b"n,,n=bob@example.test,r=0123456789").decode()
            assert client.docmd("AUTH", f"SCRAM-SHA-256 {first}")[0] == 334
            assert client.docmd("*")[0] == 501
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("bob@example.test", "wrong")

        await hub.smtp(fail_to_log_in, "submission")

        def change(client: IMAP4) -> None:
            client.create("Projects")
            client.append("Projects", "", "", b"Subject: kept\r\n\r\n")

        await hub.imap(change)
        await asyncio.to_thread(lambda: POP3("127.0.0.1", hub.port("pop3")).quit())
        for number in range(5):
            name = f"bad{number}.example.test"
            assert (await hub.smtp(lambda client, name=name: client.helo(name)))[0] == 451  # type: ignore[misc]
        assert (await hub.smtp(lambda client: client.helo("good.example.test")))[0] == 451
        clock.seconds = 60
        assert (await hub.smtp(lambda client: client.helo("good.example.test")))[0] == 250
        for scope in hub.hub.kernel.generations.current.plugins.values():
            await cast(Scope, scope).notifier.drain(5)
        # An alert of the breaker that opened, or of the reload that was refused; mail on its way.
        relayed = {"rewrite_relayed", "tls_negotiated", "message_sent", "message_bounced", "message_deferred"}
        while not {"send_alert", *relayed} <= recorder.hooks(hub.hub.kernel.generations):
            await asyncio.sleep(0.01)
        (taken,) = await other.mailbox(user="ann@elsewhere.example")
        path = Headers(taken).get("Return-Path") or ""
        assert (await hub.send("Subject: It came back\r\n\r\n", sender="", to=path.strip("<> ")))[0] == 250
        await hub.told()
        record = {"name": "_acme-challenge.example.test", "text": "here", "present": True}
        assert await hub.plugin("alerts").call("publish_txt", **record) is None  # nobody keeps that zone
        assert recorder.hooks(hub.hub.kernel.generations) == set(SPECS)
