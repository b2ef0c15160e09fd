"""Certificates of ACME authorities (RFC 8555), such as Let's Encrypt, while the hub runs.

`settings` is what the operator says, `renewing` has what is wanted, when `schedule` says so; `ordering` is
one order, `proving` its challenges, `ca` the authority itself; `records` is what is kept, `keys` are keys and
certificates, `cli` is `hub acme`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hub import Plugin, Route, StashKey, TxtChange, hookimpl, update_dns
from hub_plugin_acme.ordering import Blocking
from hub_plugin_acme.records import Records
from hub_plugin_acme.renewing import SHARE, TICK, Renewer
from hub_plugin_acme.settings import Settings, zone_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from hub import Response

__all__ = ["RENEWER", "Settings"]

RENEWER = StashKey[Renewer]()

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """Nobody is asked before the hub serves."""
    renewer = Renewer(plugin, await plugin.enter(Blocking()))
    plugin.stash[RENEWER] = renewer
    plugin.answer("here", _here)
    plugin.every(TICK, renewer.tick, once=True)
    plugin.every(SHARE, renewer.share)


async def _here(_: Mapping[str, object]) -> bool:
    """For `hub acme renew`, which the hub has to run for."""
    return True


async def answer_challenge(plugin: Plugin, request: Request) -> Response | None:
    """What http-01 asks for (RFC 8555 §8.3), in whichever worker."""
    from hub import Response

    token = request.path_params["token"]
    if not _TOKEN.fullmatch(token):
        return None
    proof = await Records(plugin.kv).answer(token)
    return Response(proof, media_type="application/octet-stream") if proof is not None else None


@hookimpl
def provide_routes(plugin: Plugin) -> list[Route]:
    """One, where names are proved by HTTP."""
    if "http-01" not in plugin.settings(Settings).challenges:
        return []
    return [Route("/.well-known/acme-challenge/{token}", answer_challenge)]


@hookimpl(trylast=True)
async def publish_txt(plugin: Plugin, name: str, text: str, present: bool) -> bool | None:
    """In the zones of `[plugins.acme.dns]`, by a dynamic update."""
    zones = plugin.settings(Settings).dns
    zone = zone_of(name, zones)
    if zone is None:
        return None
    await update_dns(zones[zone], zone, [TxtChange(name, text, present)])
    if present:
        await plugin.clock.sleep(zones[zone].wait)
    return True
