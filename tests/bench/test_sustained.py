"""What holds only if it holds for long: memory while mail flows, and thousands of connections that idle."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import hub_server, smtp_source
from bench.arithmetic import slope
from bench.cpu import CORES
from bench.hub_server import PASSWORD, Hub
from bench.idle import Idle, Talk, Tls
from bench.memory import WARM_UP, per_connection, sustain
from bench.resident import raise_file_limit
from bench.server import MAILBOX
from bench.smtp_source import Load
from tests.soak import Soak

MiB = 1024


@pytest.fixture(scope="module")
def laid_out() -> Iterator[Hub]:
    """A hub that every test starts anew; on the disk that the benchmarks use, for tmp_path may be memory."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hub-soak-", dir="/var/tmp") as name:
        yield hub_server.lay_out(Path(name) / "hub", CORES, tls=True)


@pytest.fixture
def hub(laid_out: Hub) -> Iterator[Hub]:
    """The hub, serving."""
    with hub_server.serving(laid_out) as serving:
        yield serving


@pytest.mark.soak(alone=True)
@pytest.mark.skipif(smtp_source.find() is None, reason="smtp-source is not installed")
def test_memory_does_not_grow_while_mail_flows(soak: Soak, hub: Hub) -> None:
    batches, size = soak.times(6, soak=40), soak.times(250, soak=10_000)
    found = sustain(hub, batches, Load(size, 4096))
    # A hub that kept every mail would grow by 4,096 KiB per 1,000; what pools and caches take at first is not
    # over after 1,000 mails.
    assert found.slope < soak.times(2048, soak=50)
    assert found.peak < 512 * MiB * CORES
    settled = found.points[max(WARM_UP, batches // 4) :]
    soak.found("mails in a sustained run, all in the mailbox", f"{batches * size:,}")
    soak.found("anonymous memory after a quarter of them, MiB", f"{settled[0][1] / MiB:.1f}")
    soak.found("and at the end, MiB", f"{settled[-1][1] / MiB:.1f}")
    soak.found("slope, KiB per 1,000 mails", f"{slope(settled):.1f}")
    soak.found("peak (VmHWM of all processes), MiB", f"{found.peak / MiB:.0f}")


@pytest.mark.soak(alone=True)
@pytest.mark.proves(
    "operation: an idle connection costs a few KiB, and thousands of them are answered at once"
)
@pytest.mark.parametrize("talk", ["smtp", "imap"])
def test_thousands_of_idle_connections_are_cheap_and_answered(soak: Soak, hub: Hub, talk: Talk) -> None:
    count = soak.times(200, soak=10_000)
    each = per_connection(hub, Idle(hub.port if talk == "smtp" else hub.imap_port, count, talk))
    # The first hundreds pay for what is allocated in large pieces.
    assert each < soak.times(80, soak=16)
    soak.found(f"{count:,} idle connections, {talk}, KiB each", f"{each:.1f}")


@pytest.mark.soak(alone=True)
@pytest.mark.parametrize(("talk", "tls"), [("smtp", "starttls"), ("imap", "implicit")])
def test_thousands_of_idle_connections_with_tls_are_cheap_and_answered(
    soak: Soak, hub: Hub, talk: Talk, tls: Tls
) -> None:
    count = soak.times(200, soak=10_000)
    each = per_connection(hub, Idle(hub.port if talk == "smtp" else hub.imaps_port, count, talk, tls))
    assert each < soak.times(200, soak=64)
    soak.found(f"{count:,} idle connections with TLS, {talk}, KiB each", f"{each:.1f}")


@pytest.mark.soak(alone=True)
def test_thousands_of_clients_in_idle_are_cheap_and_answered(soak: Soak, hub: Hub) -> None:
    count = soak.times(100, soak=10_000)
    each = per_connection(hub, Idle(hub.imap_port, count, "idle", login=f'{MAILBOX} "{PASSWORD}"'))
    # A first login takes 19 MiB for argon2, in each worker that one comes to.
    assert each < soak.times(800, soak=64)
    soak.found(f"{count:,} clients in IDLE, KiB each", f"{each:.1f}")
