"""What a domain needs in DNS: what follows from the configuration, and what active plugins add."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Final

import click

from hub.cli.context import Context
from hub.mail.dnsrecord import DnsRecord, txt_data

if TYPE_CHECKING:
    from hub.config.model import HubSettings

GROUP: Final = "hub.dns"
"""Entry points of this group are coroutine functions of plugins that give records."""
SERVICES: Final = (("_submissions", 465), ("_submission", 587), ("_imaps", 993))
"""RFC 8314, RFC 6186; the ports that all clients try."""


async def needed(context: Context, domain: str) -> Sequence[DnsRecord]:
    """All of them, what mail cannot do without first."""
    settings = context.config().settings
    found = [*_core(settings, domain), *_certified(settings)]
    for entry in _entries(context):
        found += await entry.load()(context, domain)
    return sorted(found, key=lambda record: record.optional)


def _core(settings: HubSettings, domain: str) -> Sequence[DnsRecord]:
    host = settings.hub.hostname.lower()
    policy = f"version: STSv1\r\nmode: enforce\r\nmx: {host}\r\nmax_age: 604800\r\n"
    sts = hashlib.sha256(policy.encode()).hexdigest()[:16]
    return [
        DnsRecord(domain, "MX", f"10 {host}.", "mail for the domain comes here"),
        DnsRecord(domain, "TXT", "v=spf1 mx -all", "SPF: only the exchangers send its mail", "v=spf1"),
        DnsRecord(
            f"_dmarc.{domain}",
            "TXT",
            f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}",
            "DMARC: reports first; p=quarantine once they look well",
            "v=DMARC1",
        ),
        DnsRecord(
            f"_smtp._tls.{domain}",
            "TXT",
            f"v=TLSRPTv1; rua=mailto:postmaster@{domain}",
            "TLS-RPT: others tell of failed encryption",
            "v=TLSRPTv1",
            optional=True,
        ),
        DnsRecord(
            f"_mta-sts.{domain}",
            "TXT",
            f"v=STSv1; id={sts}",
            f"MTA-STS: with the policy at https://mta-sts.{domain}/.well-known/mta-sts.txt",
            "v=STSv1",
            optional=True,
        ),
        *_aliases(domain, host),
        *(
            DnsRecord(
                f"{service}._tcp.{domain}", "SRV", f"0 1 {port} {host}.", "clients find it", optional=True
            )
            for service, port in SERVICES
        ),
    ]


def _aliases(domain: str, host: str) -> Sequence[DnsRecord]:
    names = {
        f"mta-sts.{domain}": "the policy of MTA-STS is there",
        f"autoconfig.{domain}": "Thunderbird configures itself",
        f"autodiscover.{domain}": "Outlook configures itself",
    }
    return [
        DnsRecord(name, "CNAME", f"{host}.", why, optional=True)
        for name, why in names.items()
        if name != host
    ]


def _certified(settings: HubSettings) -> Sequence[DnsRecord]:
    """TLSA of the certificates' keys (RFC 7672 §3.1): usage 3, selector 1, so that a renewal may keep it.

    The default certificate is the hub's own name's, and so are those of that name with keys of other kinds.
    """
    if settings.tls.certificate is None:
        return []
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from hub.tls.chain import is_for, key_kind

    host, keys = settings.hub.hostname.lower(), dict[str, bytes]()
    for path in (settings.tls.certificate, *(each.certificate for each in settings.tls.certificates)):
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{path} is no certificate: {error}") from None
        if not keys or is_for(certificate, host):
            public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            keys.setdefault(key_kind(certificate), public)
    why = "DANE: this certificate and no other, with DNSSEC"
    return [
        DnsRecord(f"_25._tcp.{host}", "TLSA", f"3 1 1 {hashlib.sha256(key).hexdigest()}", why, optional=True)
        for key in keys.values()
    ]


def _entries(context: Context) -> Sequence[metadata.EntryPoint]:
    """Of the plugins that are active, by name."""
    from hub.cli.plugin_models import PluginModelsOf

    active = PluginModelsOf(context.config()).active
    return sorted((each for each in metadata.entry_points(group=GROUP) if each.name in active), key=str)


def zone_file(domain: str, records: Sequence[DnsRecord]) -> str:
    """The records as BIND and others load them; those of another zone stand there as comments."""
    lines = [f"; what {domain} needs; add it to its zone", f"$ORIGIN {domain}."]
    for record in records:
        inside = record.name == domain or record.name.endswith(f".{domain}")
        text = f"{record.name}. {record.kind} {written(record)}"
        lines += [f"; {record.why}", text if inside else f"; (in the zone of its name) {text}"]
    return "".join(f"{line}\n" for line in lines)


def written(record: DnsRecord) -> str:
    """The data as a zone file has it."""
    return txt_data(record.data) if record.kind == "TXT" else record.data
