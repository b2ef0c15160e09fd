"""The plugin in a hub; tests/relay has it with signed zones and servers."""

from hub.testing.running import RunningHub


async def test_an_address_has_no_records_and_is_not_looked_up(hub: RunningHub) -> None:
    ask = hub.hub.loader.implementations("resolve_tls_policy")["dane"]
    assert await ask(domain=None, host="192.0.2.1", port=25) is None
    assert await ask(domain=None, host="2001:db8::25", port=25) is None
    assert hub.failures == []
