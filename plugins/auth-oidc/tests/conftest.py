"""An issuer on loopback that signs with real keys, and can do all that issuers do wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from jwt.algorithms import get_default_algorithms

from hub.testing.clock import START

RSA_KEY = rsa.generate_private_key(65537, 2048)


def made_key(algorithm: str) -> PrivateKeyTypes:
    """A new key, but for RSA, which takes long to make."""
    if algorithm == "RS256":
        return RSA_KEY
    return (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else ed25519.Ed25519PrivateKey.generate()
    )


def public(key: PrivateKeyTypes, kid: str, algorithm: str) -> dict[str, object]:
    """The key as a JWKS has it."""
    text = get_default_algorithms()[algorithm].to_jwk(key.public_key())
    return {**json.loads(text), "kid": kid, "use": "sig", "alg": algorithm}


@dataclass
class LocalIssuer:
    """keys: kid → (algorithm, key) as they are published. fetched: how often. broken: an answer in place of
    all others. opaque: what introspection says of a token. introspected: how often it was asked.
    """

    port: int = 0
    keys: dict[str, tuple[str, PrivateKeyTypes]] = field(default_factory=dict)
    published: list[dict[str, object]] = field(default_factory=list)
    name: str = ""
    fetched: int = 0
    broken: Callable[[], Awaitable[web.StreamResponse]] | None = None
    opaque: dict[str, dict[str, object]] = field(default_factory=dict)
    introspected: int = 0
    runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    def add_key(self, kid: str, algorithm: str) -> None:
        self.keys[kid] = (algorithm, made_key(algorithm))
        self.published.append(public(self.keys[kid][1], kid, algorithm))

    def token(self, kid: str = "rs", now: float = START, /, **claims: object) -> str:
        """A token for alice that is right but for the claims given here; None leaves one out."""
        algorithm, key = self.keys[kid]
        said = {
            "iss": self.url,
            "aud": ["mail", "other"],
            "exp": now + 300,
            "nbf": now - 10,
            "sub": "1234",
            "email": "alice@example.test",
            "scope": "openid mail",
            **claims,
        }
        payload = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(payload, key, algorithm, headers={"kid": kid})  # type: ignore[arg-type]

    async def start(self) -> None:
        async def configuration(_: web.Request) -> web.StreamResponse:
            self.fetched += 1
            if self.broken is not None:
                return await self.broken()
            return web.json_response({"issuer": self.name or self.url, "jwks_uri": self.url + "/keys"})

        async def keys(_: web.Request) -> web.StreamResponse:
            return web.json_response({"keys": self.published})

        async def introspect(request: web.Request) -> web.StreamResponse:
            if request.headers["Authorization"] != "Basic aHViOnMlM0E=":  # hub:s%3A
                return web.json_response({"error": "invalid_client"}, status=401)
            self.introspected += 1
            form = await request.post()
            return web.json_response(self.opaque.get(str(form["token"]), {"active": False}))

        app = web.Application()
        app.router.add_get("/realm/.well-known/openid-configuration", configuration)
        app.router.add_get("/realm/keys", keys)
        app.router.add_post("/realm/introspect", introspect)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        """Nobody listens any more."""
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None
        await asyncio.sleep(0)


@pytest.fixture
async def issuer() -> AsyncIterator[LocalIssuer]:
    local = LocalIssuer()
    for kid, algorithm in (("rs", "RS256"), ("es", "ES256"), ("ed", "EdDSA")):
        local.add_key(kid, algorithm)
    await local.start()
    yield local
    await local.stop()
