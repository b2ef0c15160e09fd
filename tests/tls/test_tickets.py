"""Sessions that are resumed: on any worker, across a renewed certificate, and not for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest

from hub.hooks.session import TlsInfo
from hub.tls.certificates import load_certificates
from hub.tls.installed import install
from hub.tls.tickets import DAY, Tickets
from tests.crew import serving as crew_serving
from tests.crew import until
from tests.tls.authority import Authority
from tests.tls.conftest import Echo, engine_of, serving, shown, table, trusting

LISTENERS = {"imaps": {"protocol": "imaps", "bind": ["127.0.0.1:0"]}}


async def openssl(port: int, *options: str | Path) -> str:
    """What `openssl s_client` prints of a connection that logs out."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "mx.example.test"]
    client = await asyncio.create_subprocess_exec(
        *command, "-ign_eof", *map(str, options),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(client.communicate(b"a1 LOGOUT\r\n"), 20)
    return said.decode(errors="replace")


@pytest.mark.proves("TLS: a session resumes on any worker, a restarted one too, and on a renewed certificate")
async def test_a_ticket_resumes_on_every_worker(tmp_path: Path, authority: Authority) -> None:
    chain, key = authority.issue("mx.example.test").write(tmp_path, "pair")
    tables = {"tls": {"certificate": str(chain), "key": str(key)}, "listeners": LISTENERS}
    versions = ("-tls1_3", "-tls1_2")
    async with crew_serving(tmp_path, tables=tables) as crew:
        port = await crew.port("imaps")

        async def resumed() -> list[bool]:
            tries = (openssl(port, each, "-sess_in", tmp_path / each) for each in versions * 6)
            said = await asyncio.gather(*tries)
            assert all("* BYE" in each for each in said), said[0]
            return ["Reused, TLSv1" in each for each in said]

        for version in versions:
            assert "New, TLSv1" in await openssl(port, version, "-sess_out", tmp_path / version)
        assert all(await resumed())
        old = next(worker["pid"] for worker in await crew.workers())
        os.kill(old, signal.SIGKILL)

        async def replaced() -> bool:
            return old not in [each["pid"] for each in await crew.workers() if each["uptime"]]

        await until(replaced)
        assert all(await resumed())
        fresh = authority.issue("mx.example.test")
        fresh.write(tmp_path, "pair")

        async def renewed() -> bool:
            context = trusting(authority)
            got = {(await _certificate(port, context)) for _ in range(8)}
            return got == {fresh.der}

        await until(renewed)
        assert all(await resumed())
        installed = authority.issue("other.example.test")
        install(tmp_path / "data", "other.example.test", installed.chain, installed.key)

        async def everywhere() -> bool:
            names = {await _certificate(port, trusting(authority), "other.example.test") for _ in range(8)}
            return names == {installed.der}

        await until(everywhere)


async def _certificate(port: int, context: ssl.SSLContext, name: str = "mx.example.test") -> bytes | None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found  # type: ignore[no-any-return]


async def test_a_ticket_is_worth_nothing_once_its_day_is_over(tmp_path: Path, authority: Authority) -> None:
    now = 10 * DAY
    tickets = Tickets(3, now=lambda: now)
    engine = engine_of(tmp_path, table(tmp_path, authority.issue("mx.example.test")), tickets)
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # where Python's client has a session at once
    reused = []
    async with serving(engine) as port:
        for days in (0, 0.5, 1, 5):
            session = await asyncio.to_thread(_session, port, context)
            now = (10 + days) * DAY
            reused.append((await shown(port, "mx.example.test", context=context, session=session)).reused)
    assert reused == [True, True, False, False]


async def test_a_resumed_session_is_bound_to_the_certificate_that_its_first_handshake_has_shown(
    tmp_path: Path, authority: Authority
) -> None:
    """RFC 5929 §4.1 for who resumes: said as long as no other certificate can be meant."""
    now = time.time() + 2 * DAY
    engine = engine_of(
        tmp_path, table(tmp_path, authority.issue("mx.example.test")), Tickets(now=lambda: now)
    )
    first, end_point = engine.certificates, engine.certificates.pairs[0].end_point
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    said = []
    async with serving(engine) as port:
        for step in ("served for long", "replaced", "served since yesterday"):
            session = await asyncio.to_thread(_session, port, context)
            if step == "replaced":
                settings = table(tmp_path, authority.issue("mx.example.test"))
                engine.take(load_certificates(settings, tmp_path, first))
            assert (await shown(port, "mx.example.test", context=context, session=session)).reused
            found = Echo.seen[-1]
            assert found is not None
            said.append(found.bindings.get("tls-server-end-point"))
            assert engine.certificates.pairs[0].end_point in [
                each.bindings["tls-server-end-point"] for each in [await _fresh(port, context)]
            ]
            if step == "replaced":
                now += DAY
    assert said == [end_point, None, engine.certificates.pairs[0].end_point]
    restarted = engine_of(tmp_path, table(tmp_path, authority.issue("mx.example.test")))
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(restarted) as port:  # which cannot know what was shown before, earlier on this day
        session = await asyncio.to_thread(_session, port, context)
        assert (await shown(port, "mx.example.test", context=context, session=session)).reused
        found = Echo.seen[-1]
        assert found is not None
        assert found.bindings == {}


async def _fresh(port: int, context: ssl.SSLContext) -> TlsInfo:
    """What the server knows of a session that is not resumed."""
    await shown(port, "mx.example.test", context=context)
    found = Echo.seen[-1]
    assert found is not None
    return found


def _session(port: int, context: ssl.SSLContext) -> ssl.SSLSession | None:
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="mx.example.test") as client,
    ):
        return client.session
