"""The three ways to show that a name is ours: what has to be there while an authority looks."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from hub import DnsTrouble, Plugin
from hub_plugin_acme.keys import make_proof
from hub_plugin_acme.orders import Authorization, Challenge, Refused
from hub_plugin_acme.records import Records

ALPN: Final = "acme-tls/1"
"""The protocol of the challenge's connections (RFC 8737 §6.2)."""
ALIASES: Final = 8
"""How many are followed, one leading to the next."""


def chosen(authorization: Authorization, kind: str) -> Challenge:
    """The challenge of the kind that is configured. Refused."""
    if kind not in authorization.challenges:
        offered = ", ".join(sorted(authorization.challenges)) or "nothing that we know"
        raise Refused(
            f"for {authorization.name} the authority takes {offered}, not {kind}",
            "Choose one of these in plugins.acme.challenge.",
        )
    return authorization.challenges[kind]


@asynccontextmanager
async def proof(plugin: Plugin, name: str, challenge: Challenge) -> AsyncIterator[None]:
    """Let it be seen that the name is ours. Refused, OSError."""
    if challenge.kind == "http-01":
        records = Records(plugin.kv)
        await records.keep_answer(challenge.token, challenge.proof)
        try:
            yield
        finally:
            await records.keep_answer(challenge.token, None)
    elif challenge.kind == "tls-alpn-01":
        shown = make_proof(name, challenge.proof)
        await plugin.install_certificate(name, shown.chain.encode(), shown.key.encode(), alpn=ALPN)
        try:
            yield
        finally:
            await plugin.remove_certificate(name, alpn=ALPN)
    else:
        async with _record(plugin, f"_acme-challenge.{name}", _text(challenge)):
            yield


@asynccontextmanager
async def _record(plugin: Plugin, name: str, text: str) -> AsyncIterator[None]:
    name = await _led_to(plugin, name)
    try:
        await _publish(plugin, name, text, present=True)
        yield
    finally:
        try:
            await _publish(plugin, name, text, present=False)
        except Refused as refused:
            plugin.log.warning("a record is left in DNS", name=name, text=text, reason=str(refused))


async def _led_to(plugin: Plugin, name: str) -> str:
    """Where the record goes: a zone that nothing can change may lead this one name to one that can be."""
    try:
        for _ in range(ALIASES):
            found = (await plugin.dns.query(name, "CNAME")).records
            if not found:
                break
            name = found[0].to_text().lower().rstrip(".")
    except DnsTrouble as trouble:
        plugin.log.warning("an alias cannot be looked for", name=name, reason=str(trouble))
    return name


async def _publish(plugin: Plugin, name: str, text: str, *, present: bool) -> None:
    """Ask one plugin after the other. Refused if none has done it."""
    failed = []
    for who, publish in plugin.implementations("publish_txt").items():
        try:
            if await publish(name=name, text=text, present=present):
                return
        except RuntimeError as error:
            failed.append(f"{who}: {error}")
    if failed:
        raise Refused(
            f"no TXT record can be made at {name}: {'; '.join(failed)}",
            "Mend what the reason names; the plugin's log says more.",
        )
    raise Refused(
        f"no plugin keeps the zone of {name}",
        "Add the zone to plugins.acme.dns, or a plugin with the hook publish_txt; or take another challenge.",
    )


def _text(challenge: Challenge) -> str:
    """RFC 8555 §8.4."""
    digest = hashlib.sha256(challenge.proof.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
