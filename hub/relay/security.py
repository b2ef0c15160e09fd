"""How each server has to be met, as whoever has a policy for it says.

    the operator's table ──► resolve_tls_policy (DANE, MTA-STS) ──► opportunistic

A policy stands with the server that it is about, so that a connection that was made under another one, or
under none, is never taken for one that was made under it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from dns.rdtypes.ANY.MX import MX

from hub.config.tables.relay import RelayTable, TlsRule
from hub.dispatch.failure import HookFailed
from hub.hooks.relay import resolve_tls_policy
from hub.loading.kernel import Kernel
from hub.mail.tls import TlsFault, TlsPolicy
from hub.relay.hops import Access, Hop
from hub.relay.limits import nearest
from hub.relay.tlsa import fault_of, presented
from hub.relay.wire import NoTls, Tls
from hub.services.dns import DnsTrouble
from hub.trace.record import Trace

_IN_THE_CLEAR: Final = TlsFault("validation-failure", "it is a smarthost without TLS")
_FAILED: Final = TlsFault("validation-failure", "what it has to be asked cannot be found out")


class Security:
    """One per process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def hops(
        self, domain: str, hops: Sequence[Hop], trace: Trace, wanted: bool | None
    ) -> Sequence[Hop]:
        """The same servers, each with what is asked of it before it is given that domain's mail.

        wanted: what the sender wants, True for REQUIRETLS, False for `TLS-Required: No` (RFC 8689).
        """
        if self._kernel.settings.relay.tls == "off" and not wanted:
            return hops
        places = {(hop.host, hop.port): hop for hop in hops}
        found = await asyncio.gather(*(self._policy(domain, hop, trace, wanted) for hop in places.values()))
        policies = dict(zip(places, found, strict=True))
        return [replace(hop, policy=policies[hop.host, hop.port]) for hop in hops]

    async def policy(self, domain: str, hop: Hop, trace: Trace) -> TlsPolicy | None:
        """Who has one for the server as one that takes the domain's mail: the operator, then plugins."""
        rule = rule_of(self._kernel.settings.relay, domain)
        if rule is not None:
            return ruled(domain, hop.host, rule[1])
        pin = self._kernel.generations.pin()
        try:
            asked = None if hop.is_given else domain
            return await pin.first(resolve_tls_policy)(trace, domain=asked, host=hop.host, port=hop.port)
        except HookFailed:
            return TlsPolicy("static", domain, "nothing", fault=_FAILED)
        finally:
            pin.release()

    async def _policy(self, domain: str, hop: Hop, trace: Trace, wanted: bool | None) -> TlsPolicy | None:
        if hop.access is not None:  # a smarthost is met as the operator says
            unsafe = wanted and hop.access.encryption == "none"
            return TlsPolicy("static", domain, "nothing", fault=_IN_THE_CLEAR) if unsafe else None
        policy = await self.policy(domain, hop, trace)
        if wanted is None:
            return policy
        if not wanted:
            return None if policy is None else replace(policy, enforced=False)
        if policy is not None and policy.enforced and policy.verify != "nothing":
            return policy
        # RFC 8689 §4.2.1: the name of the server has to be sure, and the certificate for that name.
        sure = hop.is_given or await self._is_sure(domain, hop.host)
        fault = (
            None if sure else TlsFault("dnssec-invalid", "nobody vouches for its being the domain's server")
        )
        return TlsPolicy("static", domain, "name", (hop.host,), fault=fault)

    async def _is_sure(self, domain: str, host: str) -> bool:
        try:
            found = await self._kernel.services.dns.query(domain, "MX")
        except DnsTrouble:
            return False
        names = [
            each.exchange.to_text(omit_final_dot=True).lower()
            for each in found.records
            if isinstance(each, MX)
        ]
        return found.secure and host in (names or [domain])


def rule_of(settings: RelayTable, domain: str) -> tuple[str, TlsRule] | None:
    """What the operator says of a domain, and under which name; the nearest counts."""
    names = (*nearest(domain), "*")
    return next(((name, settings.tls_policy[name]) for name in names if name in settings.tls_policy), None)


def ruled(domain: str, host: str, rule: TlsRule) -> TlsPolicy | None:
    """What the operator's word for a domain comes to at one of its servers."""
    if rule.mode == "opportunistic":
        return None
    if rule.mode == "encrypted":
        return TlsPolicy("static", domain, "nothing")
    return TlsPolicy("static", domain, "name", (rule.name or host,))


def demanded(hop: Hop, policy: TlsPolicy, trust: Callable[[], ssl.SSLContext]) -> Tls:
    """What a connection has to be like. NoTls if that is known to fail; what `trust` raises."""
    if policy.fault is not None:
        raise NoTls(hop, policy.fault)
    if policy.verify == "name":
        return Tls(trust(), required=True, name=policy.names[0])
    if policy.verify == "tlsa":
        return Tls(_unverified(), required=True, check=partial(_check, policy))
    return Tls(_unverified(), required=True)


def of_smarthost(access: Access, trust: Callable[[], ssl.SSLContext]) -> Tls | None:
    """Whoever is told a password has to be who the operator means. What `trust` raises."""
    return None if access.encryption == "none" else Tls(trust(), required=True)


def opportunistic() -> Tls:
    """Whoever would be sent mail in the clear may as well show any certificate (RFC 7435)."""
    return Tls(_unverified())


def _check(policy: TlsPolicy, connection: ssl.SSLObject) -> TlsFault | None:
    return fault_of(policy.tlsa, policy.names, presented(connection))


@lru_cache(1)
def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
