"""Mail through a whole hub, scraped over HTTP as Prometheus does it."""

import asyncio
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from imaplib import IMAP4
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub import Address
from hub.testing.ports import free_port
from hub.testing.running import RunningHub, running_hub

JUDGE = """
from hub import Defer, Finding, Junk, Quarantine, Reject, hookimpl

@hookimpl
async def check_message(message):
    subject = message.headers.get("Subject")
    if subject == "fail":
        raise RuntimeError("no")
    return {
        "junk": Finding(action=Junk()),
        "score": Finding(score=1.5),
        "virus": Finding(action=Reject("5.7.1", "EICAR")),
        "later": Finding(action=Defer("4.7.1", "later")),
        "odd": Finding(action=Quarantine()),
    }.get(subject)
"""


def hub_with(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    *,
    accounts: Sequence[str] = ("alice@example.test", "bob@example.test"),
) -> AbstractAsyncContextManager[RunningHub]:
    (folder / "plugins.d").mkdir(mode=0o700)
    (folder / "plugins.d" / "judge.py").write_text(JUDGE)
    listeners = {name: {"protocol": name, "bind": ["127.0.0.1:0"]} for name in ("smtp", "imap", "http")}
    tables = {"listeners": listeners, "plugins": {"prometheus": settings or {}}}
    return running_hub(folder, plugins=["prometheus"], tables=tables, accounts=accounts)


class Scraped:
    """One exposition, parsed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = list(text_string_to_metric_families(text))
        self._values = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._values.get((name, tuple(sorted(labels.items()))), 0.0)

    @property
    def series(self) -> int:
        return len(self._values)


def fetch(port: int, headers: Mapping[str, str]) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode(), answer.headers["Content-Type"]
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode(), ""


async def get(hub: RunningHub, **headers: str) -> tuple[int, str]:
    """Code and body; a text is given out again for a second, so that passes first."""
    await settled(hub)
    code, body, _ = await asyncio.to_thread(fetch, hub.port("http"), headers)
    return code, body


async def settled(hub: RunningHub) -> None:
    """Every session but HTTP's has ended, and was told of."""
    scope = hub.hub.kernel.generations.current.plugins["prometheus"]
    async with asyncio.timeout(20):
        while any(not trace.about.startswith("http") for trace in hub.hub.kernel.sessions.values()):
            await asyncio.sleep(0.01)
    await scope.notifier.drain(10)  # type: ignore[attr-defined]


async def scrape(hub: RunningHub) -> Scraped:
    code, body = await get(hub)
    assert code == 200, body
    return Scraped(body)


def mail(subject: str) -> str:
    return f"Subject: {subject}\r\n\r\nHello.\r\n"


@pytest.mark.proves(
    "observing: metrics of all workers together for Prometheus, in a bounded number of series"
)
async def test_messages_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        for subject in ("fine", "fine", "junk", "score", "virus", "later", "odd", "fail"):
            await hub.send(mail(subject))
        await hub.send(mail("nobody"), to="nobody@example.test")
        found = await scrape(hub)
        assert found("hub_messages_total", protocol="smtp", outcome="accepted") == 5
        assert found("hub_messages_total", protocol="smtp", outcome="refused") == 1
        assert found("hub_messages_total", protocol="smtp", outcome="deferred") == 2
        assert found("hub_deliveries_total", place="inbox") == 3
        assert found("hub_deliveries_total", place="junk") == 1
        assert found("hub_deliveries_total", place="quarantine") == 1
        assert {
            finding: found("hub_findings_total", plugin="judge", finding=finding)
            for finding in ("nothing", "score", "junk", "quarantine", "reject", "defer", "failed")
        } == {"nothing": 2, "score": 1, "junk": 1, "quarantine": 1, "reject": 1, "defer": 1, "failed": 1}
        assert found("hub_verdicts_total", verdict="reject") == 1
        assert found("hub_hook_failures_total", hook="check_message", plugin="judge") == 1
        assert found("hub_hook_seconds_count", hook="check_message", plugin="judge") == 8
        assert found("hub_message_bytes_count") == found("hub_commit_seconds_count") == 5
        assert 500 < found("hub_message_bytes_sum") < 5000
        assert found("hub_commands_total", protocol="smtp", command="RCPT", result="5xx") == 1
        assert found("hub_sessions_total", protocol="smtp") == 9
        assert found("hub_store_messages") == 5
        assert found("hub_status_available") == found("hub_workers", state="serves") == 1
        assert found("hub_queue_recipients") == found("hub_queue_age_seconds") == 0


async def test_what_becomes_of_mail_that_is_sent_on_is_counted_by_why(tmp_path: Path) -> None:
    said: dict[str, object] = {
        "message_id": "m",
        "sender": None,
        "reverse_path": None,
        "recipient": Address("ann", "elsewhere.example"),
        "host": "mx.elsewhere.example",
        "code": 250,
        "enhanced": "2.0.0",
        "text": "ok",
        "attempts": 1,
        "seconds": 90.0,
    }
    async with hub_with(tmp_path) as hub:
        plugin = hub.plugin("prometheus")
        await plugin.call("message_sent", **said)
        await plugin.call("message_deferred", **said, bounce="greylist", due_at=1.0)
        await plugin.call("message_bounced", **said, bounce="quota")
        await hub.told()
        found = await scrape(hub)
        assert found("hub_relay_outcomes_total", **{"outcome": "sent", "class": ""}) == 1
        assert found("hub_relay_outcomes_total", **{"outcome": "deferred", "class": "greylist"}) == 1
        assert found("hub_relay_outcomes_total", **{"outcome": "bounced", "class": "quota"}) == 1
        assert found("hub_relay_seconds_bucket", outcome="sent", le="60") == 0
        assert found("hub_relay_seconds_bucket", outcome="sent", le="300") == 1


async def test_logins_and_imap_commands_are_counted(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        await hub.mailbox()

        def wrong(client: IMAP4) -> None:
            with suppress(IMAP4.error):
                client.login("alice@example.test", "wrong")

        def talk() -> None:
            with IMAP4("127.0.0.1", hub.port("imap")) as client:
                wrong(client)

        await asyncio.to_thread(talk)
        found = await scrape(hub)
        login = {"protocol": "imap", "mechanism": "LOGIN"}
        assert found("hub_logins_total", **login, result="succeeded") == 1
        assert found("hub_logins_total", **login, result="refused") == 1
        assert found("hub_commands_total", protocol="imap", command="FETCH", result="OK") == 1
        assert found("hub_commands_total", protocol="imap", command="LOGIN", result="NO") == 1
        assert found("hub_command_seconds_count", protocol="imap", command="EXAMINE") == 1


async def test_a_login_that_nobody_can_decide_is_counted_as_that(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        failing = "from hub import hookimpl\n@hookimpl\nasync def authenticate():\n    raise OSError\n"
        (hub.plugins_dir / "failing.py").write_text(failing)
        assert (await hub.hub.reload() or {})["errors"] == []
        with pytest.raises(IMAP4.error):
            await hub.mailbox()
        login = {"protocol": "imap", "mechanism": "LOGIN", "result": "unavailable"}
        assert (await scrape(hub))("hub_logins_total", **login) == 1


async def test_a_session_that_goes_on_is_counted_meanwhile(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.port("imap"))
        writer.write(b"a NOOP\r\n" * 250)
        for _ in range(251):
            await reader.readline()
        scope = hub.hub.kernel.generations.current.plugins["prometheus"]
        await scope.notifier.drain(10)  # type: ignore[attr-defined]
        _, text, _ = await asyncio.to_thread(fetch, hub.port("http"), {})
        assert Scraped(text)("hub_commands_total", protocol="imap", command="NOOP", result="OK") >= 200
        writer.close()


async def test_breakers_reloads_and_what_plugins_need_are_shown(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        for number in range(5):
            await hub.send(f"Message-ID: <{number}@x>\r\n{mail('fail')}")
        (hub.plugins_dir / "bad.py").write_text("def")
        await hub.hub.reload()
        found = await scrape(hub)
        assert found("hub_plugin_breaker_open", plugin="judge") == 1
        assert found("hub_breaker_opened_total", plugin="judge") == 1
        assert found("hub_reloads_total", result="refused") == 1
        (hub.plugins_dir / "bad.py").unlink()
        (hub.plugins_dir / "judge.py").write_text(f"{JUDGE}\n# saved again\n")
        await hub.hub.reload()
        await asyncio.sleep(1)  # a text is given out again for so long
        found = await scrape(hub)
        assert found("hub_plugin_breaker_open", plugin="judge") == 0
        assert found("hub_breaker_opened_total", plugin="judge") == 1
        assert found("hub_reloads_total", result="served") >= 1
        assert found("hub_generation") == 2


async def test_only_known_networks_and_who_shows_the_token_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("a secret\n")
    settings: dict[str, object] = {"token": f"secret://file{tmp_path}/token"}
    async with hub_with(tmp_path, settings) as hub:
        assert (await get(hub))[0] == 401
        assert (await get(hub, Authorization="Bearer wrong"))[0] == 401
        code, text = await get(hub, Authorization="Bearer a secret")
        assert code == 200
        assert "a secret" not in text
        path = tmp_path / "hub.toml"
        path.write_text(path.read_text().replace("token = ", 'networks = ["192.0.2.0/24"], token = '))
        assert (await hub.hub.reload() or {})["errors"] == []
        assert (await get(hub, Authorization="Bearer a secret"))[0] == 403


async def test_counts_go_on_when_the_plugin_is_replaced_and_when_the_hub_starts_again(tmp_path: Path) -> None:
    async with hub_with(tmp_path) as hub:
        await hub.send()
        assert (await scrape(hub))("hub_messages_total", protocol="smtp", outcome="accepted") == 1
        path = tmp_path / "hub.toml"
        path.write_text(path.read_text().replace("prometheus = {", 'prometheus = {networks = ["127.0.0.1"]'))
        assert (await hub.hub.reload() or {})["changed"] == {"prometheus": "replaced"}
        await hub.send()
        assert (await scrape(hub))("hub_messages_total", protocol="smtp", outcome="accepted") == 2
    shutil.rmtree(tmp_path / "plugins.d")
    async with hub_with(tmp_path, accounts=()) as hub:
        await hub.send()
        assert (await scrape(hub))("hub_messages_total", protocol="smtp", outcome="accepted") == 3


PROMTOOL = shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(PROMTOOL is None, reason="needs prometheus: tests/peers/install.sh")


async def busy(hub: RunningHub) -> None:
    for subject in ("fine", "junk", "virus", "fail"):
        await hub.send(mail(subject))
    await hub.mailbox()


@needs_prometheus
async def test_promtool_has_no_objection(tmp_path: Path) -> None:
    assert PROMTOOL is not None
    async with hub_with(tmp_path) as hub:
        await busy(hub)
        _, text = await get(hub)
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


@needs_prometheus
async def test_prometheus_itself_scrapes_and_answers_a_query(tmp_path: Path) -> None:
    port = free_port()
    async with hub_with(tmp_path) as hub:
        await busy(hub)
        config = tmp_path / "prometheus.yml"
        target = f"[{{targets: ['127.0.0.1:{hub.port('http')}']}}]"
        timing = "scrape_interval: 200ms, scrape_timeout: 200ms"
        config.write_text(f"scrape_configs: [{{job_name: hub, {timing}, static_configs: {target}}}]")
        process = await asyncio.create_subprocess_exec(
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
        )  # fmt: skip
        try:
            query = f"http://127.0.0.1:{port}/api/v1/query?query=sum(hub_messages_total)"
            async with asyncio.timeout(30):
                while (found := await asyncio.to_thread(ask, query)) == []:
                    await asyncio.sleep(0.05)
            assert found[0]["value"][1] == "4"
        finally:
            process.terminate()
            await process.wait()


def ask(url: str) -> list[dict[str, list[str]]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            result: list[dict[str, list[str]]] = json.load(answer)["data"]["result"]
            return result
    except OSError:
        return []
