"""What is kept in `plugin.kv`, the same for all workers and nodes: accounts, certificates, how orders go.

account/<directory>     its key and address
certificate/<called>    chain and key, as they were issued
progress/<called>       failures in a row, and when to try again
wish/<called>           somebody wants it renewed now
answer/<token>          what http-01 asks for
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self

from hub import Kv

ACCOUNT, CERTIFICATE, PROGRESS, WISH, ANSWER = "account/", "certificate/", "progress/", "wish/", "answer/"
ANSWERED: Final = 3600.0
"""Seconds that an answer is kept if nobody takes it away."""
WISHED: Final = 900.0
"""Seconds after which a wish that nobody has fulfilled is forgotten."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are at an authority. address: of the account there, None until it is made."""

    key: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate. directory: who has issued it. obtained: when. revoked: whether we took it back."""

    names: tuple[str, ...]
    directory: str
    chain: str
    key: str
    begins: float
    ends: float
    fingerprint: str
    obtained: float
    revoked: bool = False

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """As it was kept."""
        said = json.loads(raw)
        return cls(**{**said, "names": tuple(said["names"])})


@dataclass(frozen=True, slots=True)
class Progress:
    """How it goes with a certificate. asked: for what, see `Wanted`. again: nothing is tried before.

    tried: when that was last. renew_at: what the authority suggests; ask_at: when to ask it for that again.
    """

    asked: str = ""
    failures: int = 0
    again: float = 0.0
    tried: float = 0.0
    trouble: str | None = None
    advice: str = ""
    renew_at: float | None = None
    ask_at: float = 0.0


class Records:
    """Reads and writes them."""

    def __init__(self, kv: Kv) -> None:
        self._kv = kv

    async def account(self, directory: str) -> Account | None:
        """Our account at an authority."""
        raw = await self._kv.get(_account(directory))
        return Account(**json.loads(raw)) if raw is not None else None

    async def keep_account(self, directory: str, account: Account) -> None:
        """Write it down."""
        await self._kv.set(_account(directory), _written(account))

    async def certificates(self) -> dict[str, bytes]:
        """All certificates, as `Kept.read` takes them."""
        return {key.removeprefix(CERTIFICATE): raw for key, raw in await self._kv.scan(CERTIFICATE)}

    async def certificate(self, called: str) -> Kept | None:
        """One of them."""
        raw = await self._kv.get(CERTIFICATE + called)
        return Kept.read(raw) if raw is not None else None

    async def keep_certificate(self, called: str, kept: Kept | None) -> None:
        """Write it down, or forget it."""
        await self._kv.set(CERTIFICATE + called, _written(kept) if kept is not None else None)

    async def progress(self, called: str) -> Progress:
        """How it goes."""
        raw = await self._kv.get(PROGRESS + called)
        return Progress(**json.loads(raw)) if raw is not None else Progress()

    async def keep_progress(self, called: str, progress: Progress | None) -> None:
        """Write it down, or forget it."""
        await self._kv.set(PROGRESS + called, _written(progress) if progress is not None else None)

    async def wishes(self) -> set[str]:
        """What somebody wants renewed now."""
        return {key.removeprefix(WISH) for key, _ in await self._kv.scan(WISH)}

    async def wish(self, called: str, *, wanted: bool) -> None:
        """Have it renewed now; or it was."""
        await self._kv.set(WISH + called, b"" if wanted else None, expires=WISHED if wanted else None)

    async def answer(self, token: str) -> bytes | None:
        """What http-01 asks for."""
        return await self._kv.get(ANSWER + token)

    async def keep_answer(self, token: str, proof: str | None) -> None:
        """Have every worker answer so, or not any more."""
        content = proof.encode() if proof is not None else None
        await self._kv.set(ANSWER + token, content, expires=None if proof is None else ANSWERED)


def _account(directory: str) -> str:
    return ACCOUNT + hashlib.sha256(directory.encode()).hexdigest()[:32]


def _written(record: Account | Kept | Progress) -> bytes:
    said: Mapping[str, object] = asdict(record)
    return json.dumps(said).encode()
