"""What a policy may look like, and the plugin in a hub; tests/relay has it with web servers and DNS."""

import pytest
from hub_plugin_mta_sts import OLDEST, parse_policy

from hub.testing.ports import free_port
from hub.testing.running import RunningHub

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx.one.test\r\nmx: *.far.test\r\nmax_age: 604800\r\n"


def test_a_policy_names_servers_and_a_star_is_one_label() -> None:
    policy = parse_policy(POLICY, "1", 0.0)
    assert (policy.mode, policy.max_age) == ("enforce", 604800)
    takes = {host: policy.takes(host) for host in ("mx.one.test", "a.far.test", "far.test", "a.b.far.test")}
    assert takes == {"mx.one.test": True, "a.far.test": True, "far.test": False, "a.b.far.test": False}


@pytest.mark.hub(tables={"dns": {"nameservers": [f"127.0.0.1:{free_port()}"]}})
async def test_an_address_has_no_policy_and_is_not_looked_up(hub: RunningHub) -> None:
    ask = hub.hub.loader.implementations("resolve_tls_policy")["mta-sts"]
    assert await ask(domain="[192.0.2.1]", host="192.0.2.1", port=25) is None
    assert await ask(domain=None, host="relay.one.test", port=25) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mode: enforce\nmx: a\nmax_age: 1\n",
        "version: STSv1\nmode: Enforce\nmx: a\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: ١\n",
        "version: STSv1\nmode: enforce\nmx: a\nmax_age: " + "9" * 5000,
    ],
)
def test_what_is_wrong_with_a_policy_is_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|mode|servers|max_age"):
        parse_policy(text, "1", 0.0)


def test_a_policy_may_hold_for_a_year_at_most() -> None:
    assert parse_policy(POLICY.replace("604800", "9999999999"), "1", 0.0).max_age == OLDEST
