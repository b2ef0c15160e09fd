"""Reports on TLS go out by mail and by HTTPS once the day is over."""

from __future__ import annotations

import gzip
import json
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from hub import TlsOutcome
from hub.testing.clock import START, ManualClock
from hub.testing.http_peer import Answer, http_peer
from hub.testing.running import running_hub
from tests.peers.authority import Authority
from tests.peers.knot import needs_knot, resolving
from tests.peers.sink import needs_sink, sinking
from tests.relay.hubs import until

pytestmark = [needs_knot, needs_sink]


@pytest.mark.proves(
    "sending: domains with a TLSRPT record are told each day what came of TLS with their servers"
)
async def test_who_wants_reports_gets_one_for_each_day(tmp_path: Path) -> None:
    clock = ManualClock(START - START % 86400 + 86400 - 3600)  # an hour before midnight
    authority = Authority(tmp_path)
    context = authority.give("localhost", "127.0.0.1").context()
    async with http_peer(Answer(status=503), usual=lambda _: Answer(201), tls=context) as web:
        zones = {
            "mail.test": ['_smtp._tls TXT "v=TLSRPTv1; rua=mailto:reports@mail.test"'],
            "web.test": [f'_smtp._tls TXT "v=TLSRPTv1;rua={web.url}/report"'],
            "none.test": ['_smtp._tls TXT "v=spf1 -all"'],
        }
        with resolving(zones) as nameserver, sinking(tmp_path / "sink") as sink:
            tables = {
                "dns": {"nameservers": [nameserver]},
                "relay": {"routes": {"*": f"127.0.0.1:{sink.port}"}},
                "plugins": {"tls-rpt": {"sender": "tls-reports@example.test", "trust": str(authority.path)}},
            }
            (tmp_path / "hub").mkdir()
            async with running_hub(tmp_path / "hub", plugins=["tls-rpt"], tables=tables, clock=clock) as hub:
                plugin = hub.plugin("tls-rpt")
                for domain in ("mail.test", "web.test", "none.test"):
                    outcome = TlsOutcome(domain, None, f"mx.{domain}", "192.0.2.25", "192.0.2.1")
                    await plugin.call("tls_negotiated", outcome=outcome)

                async def left(count: int) -> bool:
                    await clock.turn(1800)
                    return len(await plugin.kv.scan("2")) == count

                await until(partial(left, 3))
                await until(partial(left, 1))
                await until(partial(left, 0))

                async def arrived() -> bool:
                    return bool(sink.messages())

                await until(arrived)
                mail, *_ = sink.messages()  # as fast as time goes here, leases end before their mail is sent
    assert "Report Domain: mail.test" in mail
    first, *_, second = web.received  # as fast as time goes here, what is under way may be begun anew
    assert first.headers["content-type"] == "application/tlsrpt+gzip"
    assert gzip.decompress(first.body) != gzip.decompress(second.body)  # an id of its own
    said = cast("dict[str, list[dict[str, object]]]", json.loads(gzip.decompress(second.body)))
    assert said["policies"][0]["policy"] == {"policy-type": "no-policy-found", "policy-domain": "web.test"}
