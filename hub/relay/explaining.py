"""What would be asked of a domain's servers, and why: what `hub tls policy` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from hub.hooks.plugin import Implementation
from hub.loading.kernel import Kernel
from hub.mail.tls import TlsPolicy
from hub.relay.answers import Answer
from hub.relay.hops import Hop
from hub.relay.routes import Routes
from hub.relay.security import rule_of, ruled
from hub.relay.static import Leads
from hub.services.dns import Dns, DnsTrouble

Steps: TypeAlias = list[tuple[str, str]]
"""What was looked at, and what was found."""


async def explain(kernel: Kernel, plugins: Mapping[str, Implementation], domain: str) -> Mapping[str, object]:
    """`steps`: what was looked at and what was found, in order; `policies`: what follows, by server.

    plugins: who implements `resolve_tls_policy`.
    """
    domain, settings, dns = domain.lower().rstrip("."), kernel.settings, kernel.services.dns
    leads = Leads(settings.relay.routes, settings.relay.smarthosts)
    steps: Steps = [(f"{domain} MX", await _found(dns, domain, "MX"))]
    hops = await Routes(settings.hub.hostname, dns, leads).hops(domain)
    if isinstance(hops, Answer):
        return {"steps": [*steps, ("servers", str(hops))], "policies": {}}
    rule = rule_of(settings.relay, domain)
    said = "nothing" if rule is None else f"{rule[0]}: {rule[1].mode}"
    steps.append(("relay.tls_policy", f"{said}; relay.tls is {settings.relay.tls}"))
    steps.append((f"_mta-sts.{domain} TXT", await _found(dns, f"_mta-sts.{domain}", "TXT")))
    policies = {}
    for hop in {(each.host, each.port): each for each in hops}.values():
        name = f"{hop.host}:{hop.port}"
        for kind in ("A", "AAAA"):
            steps.append((f"{hop.host} {kind}", await _found(dns, hop.host, kind)))
        records = f"_{hop.port}._tcp.{hop.host}"
        steps.append((f"{records} TLSA", await _found(dns, records, "TLSA")))
        if settings.relay.tls == "off":
            policies[name] = "nothing is encrypted: relay.tls is off"
        elif rule is not None:
            policies[name] = _shown(ruled(domain, hop.host, rule[1]))
        else:
            policies[name] = await _asked(plugins, domain, hop, steps)
    return {"steps": steps, "policies": policies}


async def _asked(plugins: Mapping[str, Implementation], domain: str, hop: Hop, steps: Steps) -> str:
    """What the first plugin with an opinion demands; what each says is a step."""
    first: str | None = None
    for plugin, ask in plugins.items():
        try:
            found = await ask(domain=None if hop.is_given else domain, host=hop.host, port=hop.port)
        except RuntimeError as failed:
            said = f"it fails, so the server is given no mail: {failed}"
            first = first or said
        else:
            policy = found if isinstance(found, TlsPolicy) else None
            said = "no policy" if policy is None else _shown(policy)
            first = first or (None if policy is None else said)
        steps.append((f"{plugin} on {hop.host}", said))
    return first or _shown(None)


async def _found(dns: Dns, name: str, kind: str) -> str:
    try:
        found = await dns.query(name, kind)
    except (DnsTrouble, ValueError) as trouble:
        return f"no answer: {trouble}"
    records = ", ".join(str(each) for each in found.records[:20])
    what = records or ("no such records" if found.exists else "no such name")
    alias = f" at {found.name}" if found.name != name.lower() and found.records else ""
    return f"{what}{alias} ({'signed' if found.secure else 'not signed'})"


def _shown(policy: TlsPolicy | None) -> str:
    if policy is None:
        return "encrypted if that works, and in the clear if not"
    who = {"tlsa": "DANE", "sts": "MTA-STS", "static": "the operator"}[policy.kind]
    if policy.fault is not None:
        demand = f"it cannot be given mail: {policy.fault.text}"
    else:
        demand = {
            "nothing": "encrypted, with any certificate",
            "name": "encrypted, with a certificate of a known authority for " + "".join(policy.names[:1]),
            "tlsa": "encrypted, with a certificate that fits " + " or ".join(map(str, policy.tlsa)),
        }[policy.verify]
    return f"{who}: {demand}" + ("" if policy.enforced else " (only tried: the mail goes all the same)")
