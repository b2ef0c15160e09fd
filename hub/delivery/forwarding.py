"""Reverse-paths of what is passed on, and where that leads which comes back to them (`[relay] srs`).

The keys lie in the store, the same for all workers and nodes: a new one each month, and each is believed for
as long as an address that was made with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import Final, TypeAlias

from hub.config.model import HubSettings
from hub.loading.kernel import Kernel
from hub.mail import verp
from hub.mail.address import Address
from hub.mail.srs import VALID_DAYS, NotOurs, Token, is_srs, original, rewritten, with_token
from hub.services.kv import Kv
from hub.services.queue import QueueRow

Keys: TypeAlias = list[tuple[float, str]]
"""When each was made, and itself in hexadecimal; the newest first."""

NAMESPACE: Final = "hub"
KEYS: Final = "srs:keys"
SIGNS_FOR: Final = 30 * 86400.0
"""Seconds after which a new key is made."""
BELIEVED_FOR: Final = (VALID_DAYS + 1) * 86400.0
"""Seconds for which an address leads anywhere."""


def srs_domain(settings: HubSettings) -> str | None:
    """The domain of such addresses, None if there are none."""
    said = settings.relay.srs
    if isinstance(said, str):
        return said
    return settings.hub.hostname.lower() if said else None


async def path_of(kernel: Kernel, row: QueueRow) -> Address | None:
    """The reverse-path that the next server is told.

    Another one than the sender's if it is to name the recipient (`is_varied`), or if the message came from
    elsewhere: the next server would not find this hub among those that may send for the sender's domain (RFC
    7208 §2.4).
    """
    path, domain = row.reverse_path, srs_domain(kernel.settings)
    if path is not None and is_varied(kernel.settings, path):
        signing = await _signing(_kv(kernel), kernel.services.clock.time())
        return verp.varied(path, row.recipient, bytes.fromhex(signing[0][1])) or path
    if path is None or domain is None or row.sender is not None or path.domain == domain:
        return path
    if await kernel.services.directory.is_local(path.domain):
        return path
    kv, now = _kv(kernel), kernel.services.clock.time()
    key = bytes.fromhex((await _signing(kv, now))[0][1])
    found = rewritten(path, domain, key, now)
    if found is None:
        token = hmac.digest(key, str(path).encode(), hashlib.sha256).hex()[:16]
        await kv.set(f"srs:{token}", str(path).encode(), expires=BELIEVED_FOR)
        found = with_token(token, domain, key, now)
    return found


def is_return_path(settings: HubSettings, address: Address) -> bool:
    """Whether an address is of the kind that `path_of` makes."""
    return is_srs(address.local) and address.domain == srs_domain(settings)


async def returns_to(kernel: Kernel, address: Address) -> Address:
    """Whom mail to such an address goes to. NotOurs."""
    kv, now = _kv(kernel), kernel.services.clock.time()
    keys = [bytes.fromhex(key) for _, key in _read(await kv.get(KEYS))]
    found = original(address.local, keys, now)
    if not isinstance(found, Token):
        return found
    kept = await kv.get(f"srs:{found.text.lower()}")
    if kept is None:
        raise NotOurs("it has expired")
    return Address.parse(kept.decode())


def is_varied(settings: HubSettings, path: Address) -> bool:
    """Whether each recipient of mail with this reverse-path gets one of their own (`[relay] verp`)."""
    senders = settings.relay.verp
    return bool(senders) and not {str(path).lower(), path.ascii_domain.lower()}.isdisjoint(senders)


async def returned_from(kernel: Kernel, address: Address) -> verp.Varied | None:
    """What a reverse-path was made for, None if it was not made here, or not lately."""
    keys = [bytes.fromhex(key) for _, key in _read(await _kv(kernel).get(KEYS))]
    return verp.made_of(address, keys)


def _kv(kernel: Kernel) -> Kv:
    return kernel.services.storage.kv(NAMESPACE)


async def _signing(kv: Kv, now: float) -> Keys:
    """The keys, the first of which is new enough to sign with."""
    while True:
        stored = await kv.get(KEYS)
        keys = _read(stored)
        if keys and now - keys[0][0] < SIGNS_FOR:
            return keys
        believed = [each for each in keys if now - each[0] < SIGNS_FOR + BELIEVED_FOR]
        made: Keys = [(now, secrets.token_hex(32)), *believed]
        if await kv.compare_and_set(KEYS, stored, json.dumps(made).encode()):
            return made


def _read(stored: bytes | None) -> Keys:
    return [(made, key) for made, key in json.loads(stored)] if stored else []
