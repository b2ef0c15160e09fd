"""A changed configuration is taken as a whole, or not at all, and nobody's connection ends."""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hub.loading.watching import LATEST
from hub.testing.running import RunningHub, running_hub

from .conftest import Client, Connect, ask, certify, edit, save, taken, until, unverified


def changes(log: Sequence[Mapping[str, object]]) -> list[object]:
    """What the log says that a configuration has changed."""
    return [line["change"] for line in log if line["event"] == "config changed"]


def in_place(file: Path, text: str) -> None:
    file.write_text(text)


@pytest.mark.proves(
    "configuration: a saved hub.toml changes limits at the next EHLO, and drops no connection"
)
@pytest.mark.parametrize("write", [save, in_place])
async def test_a_saved_limit_is_seen_at_the_next_ehlo(
    tmp_path: Path, connect: Connect, write: Callable[[Path, str], None]
) -> None:
    with capture_logs() as log:
        async with running_hub(tmp_path, tables={"smtp": {"max_size": 5_000_000}}) as hub:
            client = await connect(hub.port())
            assert "SIZE 5000000" in await client.smtp("EHLO c.example.test")
            text = (tmp_path / "hub.toml").read_text()
            write(tmp_path / "hub.toml", text.replace("5000000", "4000"))
            await taken(hub, 4000)
            assert "SIZE 4000" in await client.smtp("EHLO c.example.test")
            assert (await client.smtp("MAIL FROM:<bob@example.test> SIZE=4001"))[:3] == "552"
    assert changes(log) == ["smtp.max_size: 5000000 → 4000  (hub.toml:2)"]


def with_tls(folder: Path) -> dict[str, object]:
    return {
        "listeners": {
            "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
            "imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]},
        },
        "tls": {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")},
    }


def by_rename(folder: Path) -> bytes:
    return certify(folder)


def by_link(folder: Path) -> bytes:
    """As Kubernetes does it: a new folder, and `..data` points to it."""
    version = folder / f"..{len(list(folder.iterdir()))}"
    version.mkdir()
    made = certify(version)
    for name in ("cert.pem", "key.pem"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..new").symlink_to(version.name)
    (folder / "..new").replace(folder / "..data")
    return made


@pytest.mark.proves(
    "configuration: a renewed certificate serves at once, also when a ConfigMap's link is swapped"
)
@pytest.mark.parametrize("renew", [by_rename, by_link])
async def test_a_new_certificate_serves_and_old_sessions_go_on(
    tmp_path: Path, connect: Connect, renew: Callable[[Path], bytes]
) -> None:
    first = renew(tmp_path)
    with capture_logs() as log:
        async with running_hub(tmp_path, tables=with_tls(tmp_path)) as hub:
            old = await connect(hub.port("imaps"), unverified())
            assert old.certificate() == first
            second = renew(tmp_path)

            async def seen() -> bool:
                client = await connect(hub.port("imaps"), unverified())
                return client.certificate() == second

            await until(seen)
            starttls = await connect(hub.port())
            assert "STARTTLS" in await starttls.smtp("EHLO c.example.test")
            assert (await starttls.smtp("STARTTLS"))[:3] == "220"
            await starttls.writer.start_tls(unverified())
            assert starttls.certificate() == second
            old.writer.write(b"a LOGIN alice@example.test demo\r\n")
            assert (await old.line()).startswith("a OK")
            assert old.certificate() == first
    (change,) = changes(log)
    pattern = r"tls\.certificate \(SHA-256\): [0-9A-F:]{95} → [0-9A-F:]{95}  \(hub\.toml:\d+\)"
    assert re.fullmatch(pattern, str(change))


async def test_a_certificate_that_does_not_fit_its_key_is_refused_until_it_does(
    tmp_path: Path, connect: Connect
) -> None:
    first = certify(tmp_path)
    async with running_hub(tmp_path, tables=with_tls(tmp_path)) as hub:
        good = (tmp_path / "key.pem").read_bytes()
        certify(tmp_path, certificate="unused.pem")
        report = await ask(hub, "reload")
        assert re.fullmatch(
            r"hub\.toml:\d+: tls\.key: .*/key\.pem: it is not the key of the first certificate in .*",
            str(report["errors"][0]),  # type: ignore[index]
        )
        client = await connect(hub.port("imaps"), unverified())
        assert client.certificate() == first
        (tmp_path / "key.pem").write_bytes(good)
        assert (await ask(hub, "reload"))["errors"] == []


async def test_tls_comes_and_goes_with_its_table(tmp_path: Path, connect: Connect) -> None:
    certify(tmp_path)
    tls = f'tls = {{certificate = "{tmp_path}/cert.pem", key = "{tmp_path}/key.pem"}}\n'
    async with running_hub(tmp_path) as hub:
        plain = (tmp_path / "hub.toml").read_text()
        old = await connect(hub.port())
        save(tmp_path / "hub.toml", tls + plain)
        assert (await ask(hub, "reload"))["errors"] == []
        new = await connect(hub.port())
        assert "STARTTLS" in await new.smtp("EHLO c.example.test")
        assert "STARTTLS" not in await old.smtp("EHLO c.example.test")  # its listener is the old one
        save(tmp_path / "hub.toml", plain)
        assert (await ask(hub, "reload"))["errors"] == []
        assert (await new.smtp("STARTTLS"))[:3] == "220"  # it was offered
        await new.writer.start_tls(unverified())
        third = await connect(hub.port())
        assert "STARTTLS" not in await third.smtp("EHLO c.example.test")


async def test_a_listener_is_opened_and_one_is_closed_and_its_sessions_go_on(
    tmp_path: Path, connect: Connect
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.3", 0))
        port = free.getsockname()[1]
    listeners = {
        "smtp": {"protocol": "smtp", "bind": ["127.0.0.1:0"]},
        "second": {"protocol": "submission", "bind": [f"127.0.0.3:{port}"]},
    }
    async with running_hub(tmp_path, tables={"listeners": listeners}) as hub:
        old, kept = Client(*await asyncio.open_connection("127.0.0.3", port)), hub.port()
        assert (await old.line())[:3] == "220"
        # Another name and protocol for the same address, which stays bound, and one more address.
        edit(
            tmp_path / "hub.toml",
            ("second = {", "third = {"),
            ('"submission"', '"smtp"'),
            (f'"127.0.0.3:{port}"', f'"127.0.0.3:{port}", "127.0.0.2:0"'),
        )
        assert (await ask(hub, "reload"))["errors"] == []
        assert hub.port() == kept
        assert hub.port("third") == port
        assert (await old.smtp("EHLO c.example.test"))[:3] == "250"
        assert (await old.smtp("MAIL FROM:<bob@example.test>"))[:3] == "530"  # it began as a submission
        address = next(each.socket.getsockname() for each in hub.hub.bound if each.asked == ("127.0.0.2", 0))
        new = Client(*await asyncio.open_connection(*address))
        assert (await new.line())[:3] == "220"
        edit(tmp_path / "hub.toml", (f'"127.0.0.3:{port}", "127.0.0.2:0"', f'"127.0.0.3:{port}"'))
        assert (await ask(hub, "reload"))["errors"] == []
        assert (await new.smtp("EHLO c.example.test"))[:3] == "250"
        assert (await new.send())[:3] == "250"
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection(*address)
        for client in (old, new):
            assert (await client.smtp("NOOP"))[:3] == "250"
            client.writer.close()


async def unchanged(hub: RunningHub, client: Client) -> None:
    """Everything is as it was."""
    assert "SIZE 5000000" in await client.smtp("EHLO c.example.test")
    assert (await client.send())[:3] == "250"
    assert [each.name for each in hub.hub.bound] == ["smtp", "submission", "imap"]


@pytest.mark.proves(
    "configuration: a broken one changes nothing and is named by file, line, key and nearest name"
)
@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("max_size = 5000000", "max_sizes = 4",
         "hub.toml:2: smtp.max_sizes: unknown key. Did you mean 'max_size'?"),
        ("max_size = 5000000", "max_size = ", r"hub.toml:2: is not TOML: "),
        (
            "listeners = {",
            'listeners = { more = {protocol = "smtp", bind = ["127.0.0.1:0", "192.0.2.1:25"]}, ',
            "hub.toml:1: listeners.more.bind[1]: cannot be had: Cannot assign requested address",
        ),
        ("hub = {", 'tls = {certificate = "no.pem", key = "no.pem"}\nhub = {', "tls.certificate: "),
        ("hub = {", "plugins.nobody = {}\nhub = {", "there is no plugin 'nobody'"),
    ],
)  # fmt: skip
async def test_a_broken_one_changes_nothing(
    tmp_path: Path, connect: Connect, old: str, new: str, error: str
) -> None:
    async with running_hub(tmp_path, tables={"smtp": {"max_size": 5_000_000}}) as hub:
        client = await connect(hub.port())
        sane = (tmp_path / "hub.toml").read_text()
        assert old in sane
        await unchanged(hub, client)
        with capture_logs() as log:
            save(tmp_path / "hub.toml", sane.replace(old, new))

            async def refused() -> list[object]:
                return [line["reason"] for line in log if line["event"] == "reload refused"]

            said = await until(refused)
        report = await ask(hub, "reload")
        assert error in str(said)
        assert error in str(report["errors"])
        await unchanged(hub, client)
        save(tmp_path / "hub.toml", sane)
        assert (await ask(hub, "reload"))["errors"] == []
        await unchanged(hub, client)


VAULT = '''"""Has a secret."""
from pydantic import BaseModel
from hub import Secret

class Settings(BaseModel):
    password: Secret
    note: str = ""
'''


async def test_the_difference_is_said_with_secrets_masked(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        (tmp_path / "plugins.d" / "vault.py").write_text(VAULT)
        text = (tmp_path / "hub.toml").read_text()
        for number in (1, 2):
            vault = f'plugins.vault = {{password = "hunter{number}", note = "number {number}"}}'
            with capture_logs() as log:
                save(tmp_path / "hub.toml", f"{vault}\n{text}")
                report = await ask(hub, "reload")  # or the watcher was first
            assert report["errors"] == []
            assert "hunter" not in str(report) + str(log)
        assert changes(log) == [
            'plugins.vault.note: "number 1" → "number 2"  (hub.toml:1)',
            'plugins.vault.password: "********" → "********"  (hub.toml:1)',
        ]


async def test_what_needs_a_new_start_is_named_and_the_rest_is_taken(
    tmp_path: Path, connect: Connect
) -> None:
    async with running_hub(tmp_path, tables={"trace": {"max_size": 5_000_000}}) as hub:
        client = await connect(hub.port())
        assert hub.hub._watcher is not None
        await hub.hub._watcher.close()
        edit(
            tmp_path / "hub.toml",
            (f"{tmp_path}/data", f"{tmp_path}/elsewhere"),
            ("hub = {", 'hub = {workers = 7, user = "nobody", '),
            ("trace = { max_size = 5000000 }", "trace = {max_size = 4000000}\nsmtp = {max_size = 4000}"),
        )
        with capture_logs() as log:
            report = await ask(hub, "reload")
        assert report["errors"] == []
        assert report["new_start"] == ["hub.data_dir", "hub.workers", "hub.user", "trace.max_size"]
        assert report["config"] == changes(log) == ["smtp.max_size: 50000000 → 4000  (hub.toml:3)"]
        assert "SIZE 4000" in await client.smtp("EHLO c.example.test")
        assert not (tmp_path / "elsewhere").exists()


async def test_a_file_put_into_an_included_folder_holds_at_once(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    async with running_hub(tmp_path) as hub:
        edit(tmp_path / "hub.toml", ("listeners =", 'include = ["conf.d/*.toml"]\nlisteners ='))
        assert (await ask(hub, "reload"))["errors"] == []
        (tmp_path / "conf.d" / "limits.toml").write_text("[smtp]\nmax_size = 4000\n")
        await taken(hub, 4000)
        (tmp_path / "conf.d" / "limits.toml").unlink()
        await taken(hub, 50_000_000)


async def test_a_file_that_is_written_slowly_is_read_when_it_is_closed(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        text = (tmp_path / "hub.toml").read_text()
        lines = ["smtp = {max_size = 4000}\n", *text.splitlines(keepends=True)]
        with capture_logs() as log:
            with (tmp_path / "hub.toml").open("w") as file:
                for line in lines:
                    file.write(line)
                    file.flush()
                    await asyncio.sleep((LATEST + 0.1) / len(lines))
            await taken(hub, 4000)
        assert not [line for line in log if line["event"] == "reload refused"]
        assert [each.name for each in hub.hub.bound] == ["smtp", "submission", "imap"]
