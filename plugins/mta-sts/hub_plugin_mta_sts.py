"""MTA-STS (RFC 8461): a domain publishes by HTTPS which servers take its mail, and with which names.

    _mta-sts.domain TXT: id ──► known already? ──► https://mta-sts.domain/.well-known/mta-sts.txt ──► kv

A policy is kept for as long as it says, over restarts and on all workers: who can take away the record or the
web server does not take away the policy. It is fetched anew when the id in DNS is another, and once a day,
whether there is mail for the domain that day or not (RFC 8461 §3.3): it shall not end unseen.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from dns.rdtypes.ANY.TXT import TXT
from pydantic import BaseModel, ConfigDict, Field

from hub import Cache, DnsTrouble, Duration, Plugin, StashKey, TlsFault, TlsPolicy, hookimpl

DAY: Final = 86400.0
LONGEST: Final = 16 * 1024
"""Octets of a policy; real ones have a few hundred."""
OLDEST: Final = 31557600
"""Seconds that a policy may want to be kept (RFC 8461 §3.2)."""
MOST_EXCHANGERS: Final = 100
TICK: Final = 3600.0
"""Seconds between two looks at which policies are to be fetched anew."""
USED: Final = 60 * DAY
"""Seconds for which they are, after the last mail for the domain."""
REMEMBERED: Final = 10_000
AT_ONCE: Final = 10
AGAIN: Final = 300.0
"""Seconds after a fetch that failed until the next (RFC 8461 §3.3)."""
MODES: Final = ("enforce", "testing", "none")


class Settings(BaseModel):
    """[plugins.mta-sts]"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout: Duration = Field(default=60.0, gt=0, le=60, description="How long a web server may take.")
    trust: Path | None = Field(
        default=None, description="Certificates of authorities to trust in place of the system's, as PEM."
    )
    port: int = Field(default=443, gt=0, lt=65536, description="The port of the web servers; for tests.")
    refresh: Duration = Field(
        default=DAY, gt=0, description="How long after it was fetched a policy is looked at again."
    )


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain has published. id: of the record in DNS; fetched_at: since the epoch."""

    id: str
    mode: Literal["enforce", "testing", "none"]
    exchangers: tuple[str, ...]
    max_age: int
    fetched_at: float
    lines: tuple[str, ...]

    def takes(self, host: str) -> bool:
        """Whether the host is one of its servers; a star is one label (RFC 8461 §4.1)."""
        above = host.partition(".")[2]
        return any(host == each or (each.startswith("*.") and above == each[2:]) for each in self.exchangers)


class Unfetched(Exception):
    """There is a record and no policy to it; fault says why."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.fault = TlsFault(kind, text)


class HubResolver(AbstractResolver):
    """Web servers are found by the hub's own DNS."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """IPv4 first. OSError if there is no address."""
        found: list[ResolveResult] = []
        for kind, each in (("A", socket.AF_INET), ("AAAA", socket.AF_INET6)):
            if family not in (socket.AF_UNSPEC, each):
                continue
            try:
                records = (await self._plugin.dns.query(host, kind)).records
            except (DnsTrouble, ValueError) as error:
                raise OSError(f"DNS does not say its address: {error}") from error
            found += [
                ResolveResult(hostname=host, host=str(record), port=port, family=each, proto=0, flags=0)
                for record in records
            ]
        if not found:
            raise OSError(f"{host} has no address")
        return found

    async def close(self) -> None:
        """Nothing is held open."""


class Policies:
    """Those that are known, and how one is fetched."""

    def __init__(self, plugin: Plugin, session: aiohttp.ClientSession) -> None:
        self._plugin = plugin
        self._settings = plugin.settings(Settings)
        self._session = session
        self._locks: dict[str, asyncio.Lock] = {}
        self._noted: Cache[str, bool] = Cache(plugin.clock, seconds=DAY, size=REMEMBERED)

    async def of(self, domain: str) -> Policy | None:
        """The policy of a domain that there is mail for, as `current`. Unfetched."""
        policy = await self.current(domain)
        if policy is not None and not self._noted.get(domain):
            await self._plugin.kv.set(f"u/{domain}", b"", expires=USED)
            self._noted.put(domain, True)
        return policy

    async def refresh(self) -> None:
        """Fetch anew what is old, of all domains that there was mail for of late."""
        domains = [key.removeprefix("u/") for key, _ in await self._plugin.kv.scan("u/")]
        for at in range(0, len(domains), AT_ONCE):
            tries = map(self.current, domains[at : at + AT_ONCE])
            for found in await asyncio.gather(*tries, return_exceptions=True):
                if isinstance(found, BaseException) and not isinstance(found, Unfetched):
                    raise found

    async def current(self, domain: str) -> Policy | None:
        """The domain's policy, from what is known or from its web server. Unfetched."""
        lock = self._locks.setdefault(domain, asyncio.Lock())
        try:
            async with lock:
                return await self._of(domain)
        finally:
            if not lock.locked():
                self._locks.pop(domain, None)

    async def _of(self, domain: str) -> Policy | None:
        known, id_ = await self._known(domain), await self._id(domain)
        if id_ is None:
            return known  # RFC 8461 §3.3: without a record, what is known holds until it is too old
        age = 0.0 if known is None else self._plugin.clock.time() - known.fetched_at
        if known is not None and known.id == id_ and age < min(self._settings.refresh, known.max_age / 2):
            return known
        try:
            return await self._renewed(domain, id_)
        except Unfetched:
            if known is None:
                raise
            return known

    async def _renewed(self, domain: str, id_: str) -> Policy:
        """Fetched now, unless that has just failed."""
        failed = await self._plugin.kv.get(f"f/{domain}")
        if failed is not None:
            raise Unfetched(*json.loads(failed))
        try:
            policy = await self._fetch(domain, id_)
        except Unfetched as trouble:
            said = json.dumps([trouble.fault.kind, trouble.fault.text]).encode()
            await self._plugin.kv.set(f"f/{domain}", said, expires=AGAIN)
            raise
        kept = json.dumps([id_, policy.fetched_at, policy.lines], ensure_ascii=False).encode()
        await self._plugin.kv.set(f"p/{domain}", kept, expires=max(policy.max_age, 1))
        return policy

    async def _known(self, domain: str) -> Policy | None:
        kept = await self._plugin.kv.get(f"p/{domain}")
        if kept is None:
            return None
        id_, fetched_at, lines = json.loads(kept)
        return parse_policy("\n".join(lines), id_, fetched_at)

    async def _id(self, domain: str) -> str | None:
        """Of the one record that there may be (RFC 8461 §3.1); None if there is none, or DNS does not say."""
        try:
            found = await self._plugin.dns.query(f"_mta-sts.{domain}", "TXT")
        except (DnsTrouble, ValueError):
            return None
        texts = [
            b"".join(each.strings).decode("ascii", "replace")
            for each in found.records
            if isinstance(each, TXT)
        ]
        records = [each for each in texts if each.partition(";")[0].strip() == "v=STSv1"]
        if len(records) != 1:
            return None
        fields = dict(_fields(records[0]))
        id_ = fields.get("id", "")
        return id_ if id_.isalnum() and id_.isascii() and len(id_) <= 32 else None

    async def _fetch(self, domain: str, id_: str) -> Policy:
        port = "" if self._settings.port == 443 else f":{self._settings.port}"
        url = f"https://mta-sts.{domain}{port}/.well-known/mta-sts.txt"
        try:
            async with self._session.get(url, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise Unfetched("sts-policy-fetch-error", f"{url} answers {answer.status}")
                if answer.content_type != "text/plain":
                    raise Unfetched(
                        "sts-policy-fetch-error", f"{url} is {answer.content_type}, not text/plain"
                    )
                body = await _read(answer, url)
        except aiohttp.ClientConnectorCertificateError as error:
            raise Unfetched(
                "sts-webpki-invalid", f"the certificate of {url} is refused: {error.certificate_error}"
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise Unfetched("sts-policy-fetch-error", f"{url} cannot be fetched: {_why(error)}") from None
        try:
            return parse_policy(body, id_, self._plugin.clock.time())
        except ValueError as error:
            raise Unfetched("sts-policy-invalid", f"{url}: {error}") from None


async def _read(answer: aiohttp.ClientResponse, url: str) -> str:
    body = b""
    async for piece in answer.content.iter_chunked(LONGEST):
        body += piece
        if len(body) > LONGEST:
            raise Unfetched("sts-policy-invalid", f"{url} is longer than {LONGEST} octets")
    return body.decode("utf-8", "replace")


def parse_policy(text: str, id_: str, now: float) -> Policy:
    """What the file says (RFC 8461 §3.2). ValueError says what is wrong with it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    said: Mapping[str, str] = dict(reversed(pairs))  # of several, the first counts
    if pairs[:1] != [("version", "STSv1")] and said.get("version") != "STSv1":
        raise ValueError("it is no policy of version STSv1")
    mode = next((each for each in MODES if each == said.get("mode")), None)
    if mode is None:
        raise ValueError("its mode is none of enforce, testing and none")
    age = said.get("max_age", "")
    if not (age.isascii() and age.isdecimal() and len(age) <= 10):
        raise ValueError("it does not say for how long it holds (max_age)")
    exchangers = tuple(value.lower().rstrip(".") for key, value in pairs if key == "mx")[:MOST_EXCHANGERS]
    if mode != "none" and not exchangers:
        raise ValueError("it names no servers (mx)")
    return Policy(id_, mode, exchangers, min(int(age), OLDEST), now, tuple(lines)[: MOST_EXCHANGERS + 3])


def _fields(record: str) -> list[tuple[str, str]]:
    parts = (part.partition("=") for part in record.split(";"))
    return [(name.strip(), value.strip()) for name, equals, value in parts if equals]


def _why(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]


POLICIES = StashKey[Policies]()


@hookimpl
async def plugin_start(plugin: Plugin) -> None:
    """One pool of connections, which keeps no cookies and follows nobody."""
    settings = plugin.settings(Settings)
    context = ssl.create_default_context(cafile=settings.trust)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=20, resolver=HubResolver(plugin)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.timeout),
    )
    await plugin.enter(session)
    plugin.stash[POLICIES] = policies = Policies(plugin, session)
    plugin.every(TICK, policies.refresh, once=True)


@hookimpl(timeout=90)
async def resolve_tls_policy(plugin: Plugin, domain: str | None, host: str) -> TlsPolicy | None:
    """What the domain's policy demands of a server; None if it has none, or one of mode none."""
    if domain is None or domain.startswith("["):
        return None
    try:
        policy = await plugin.stash[POLICIES].of(domain)
    except Unfetched as failed:
        # RFC 8461 §5.1: nothing is demanded, and the domain hears of it where it reads reports.
        return TlsPolicy("sts", domain, "nothing", enforced=False, fault=failed.fault)
    if policy is None or policy.mode == "none":
        return None
    fault = None
    if not policy.takes(host):
        fault = TlsFault(
            "validation-failure", f"the policy of {domain} does not name {host} as one of its servers"
        )
    return TlsPolicy(
        "sts",
        domain,
        "name",
        names=(host,),
        enforced=policy.mode == "enforce",
        fault=fault,
        lines=policy.lines,
        exchangers=policy.exchangers,
    )
