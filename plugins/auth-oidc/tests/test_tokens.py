"""Which tokens are taken, and what they cost the issuer."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from hub_plugin_auth_oidc import VERIFIER, Settings, plugin_start
from hub_plugin_auth_oidc.claims import TokenRefused
from hub_plugin_auth_oidc.http import MAX_OCTETS
from hub_plugin_auth_oidc.issuer import KEPT, PAUSE
from hub_plugin_auth_oidc.verifying import Verifier
from pydantic import ValidationError

from hub.testing.clock import START, ManualClock
from hub.testing.plugin import PluginScope

from .conftest import LocalIssuer, public


@pytest.fixture
async def verifier(issuer: LocalIssuer, plugin_scope: PluginScope) -> Verifier:
    return await make(issuer, plugin_scope)


async def make(issuer: LocalIssuer, plugin_scope: PluginScope, **settings: object) -> Verifier:
    table = {"issuer": issuer.url, "audience": ["mail"], "scopes": ["mail"], **settings}
    scope = plugin_scope("auth-oidc", settings=table)
    await plugin_start(scope)
    return scope.stash[VERIFIER]


# -- who signed it ----------------------------------------------------------------------------


@pytest.mark.parametrize("kid", ["rs", "es", "ed"])
async def test_a_token_that_the_issuer_signed_is_its_bearers(
    issuer: LocalIssuer, verifier: Verifier, kid: str
) -> None:
    assert await verifier.login(issuer.token(kid)) == "alice@example.test"


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenRefused) as caught:
        await verifier.login(token)
    return str(caught.value)


def encoded(data: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


async def test_no_signature_and_no_shared_secret_is_taken(issuer: LocalIssuer, verifier: Verifier) -> None:
    claims = issuer.token().split(".")[1]
    none = encoded({"alg": "none", "kid": "rs"}) + f".{claims}."
    assert await refused(verifier, none) == "the token is signed with 'none', not with RS256, ES256, EdDSA"
    # The public key, which everybody knows, as the secret of an HMAC.
    for algorithm in ("HS256", "HS512"):
        token = jwt.encode({"email": "alice@example.test"}, b"x" * 64, algorithm, headers={"kid": "rs"})
        assert "is signed with 'HS" in await refused(verifier, token)
    assert issuer.fetched == 0


async def test_a_signature_of_somebody_else_is_refused(issuer: LocalIssuer, verifier: Verifier) -> None:
    head, claims, signature = issuer.token("es").split(".")
    other = issuer.token("es", email="bob@example.test").split(".")
    wrong = "the token is not what the issuer signed"
    assert wrong in await refused(verifier, f"{head}.{other[1]}.{signature}")
    assert wrong in await refused(verifier, f"{head}.{claims}.{'AB'[signature[0] == 'A']}{signature[1:]}")
    mine = rsa.generate_private_key(65537, 2048)
    forged = jwt.encode({"iss": issuer.url, "aud": "mail"}, mine, "RS256", headers={"kid": "rs"})
    assert wrong in await refused(verifier, forged)
    # A key of one kind named for a signature of another.
    assert "has no RS256 key 'es'" in await refused(
        verifier, jwt.encode({}, mine, "RS256", headers={"kid": "es"})
    )


async def test_a_key_that_may_not_sign_is_not_used(issuer: LocalIssuer, plugin_scope: PluginScope) -> None:
    weak = rsa.generate_private_key(65537, 1024)
    issuer.published[:] = [
        {**issuer.published[0], "use": "enc"},
        {**issuer.published[1], "alg": "ES512"},
        public(weak, "weak", "RS256"),
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        "no key",  # type: ignore[list-item]
        issuer.published[2],
    ]
    verifier = await make(issuer, plugin_scope)
    issuer.keys["weak"] = ("RS256", weak)
    assert "has no RS256 key 'rs'" in await refused(verifier, issuer.token("rs"))
    assert "has no ES256 key 'es'" in await refused(verifier, issuer.token("es"))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = issuer.token("weak")
    assert "has no RS256 key 'weak'" in await refused(verifier, token)
    assert await verifier.login(issuer.token("ed"))


async def test_a_token_without_a_key_fits_where_there_is_one(issuer: LocalIssuer, verifier: Verifier) -> None:
    algorithm, key = issuer.keys["ed"]
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    token = jwt.encode(claims, key, algorithm)  # type: ignore[arg-type]
    assert await verifier.login(token) == "alice@example.test"
    issuer.add_key("ed2", "EdDSA")
    await verifier.clock.turn(3601)  # type: ignore[attr-defined]
    assert "has no EdDSA key ''" in await refused(verifier, token)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "\ud800",
        "a b",
        "a" * 1_000_000,
        "a.b.c",
        "..",
        "e30.e30.e30",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6NX0.e30.e30",
        "\u00e9.x.y",
    ],
)
async def test_what_is_no_jwt_is_refused(verifier: Verifier, token: str) -> None:
    assert await refused(verifier, token)


async def test_a_header_nested_without_end_is_refused_and_nothing_breaks(verifier: Verifier) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 9000).decode().rstrip("=")
    assert "no JWT" in await refused(verifier, f"{deep}.e30.e30")


# -- what it says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://other.example"}, "of another issuer"),
        ({"iss": None}, "of another issuer"),
        ({"aud": "other"}, "for somebody else"),
        ({"aud": None}, "for somebody else"),
        ({"aud": {"mail": 1}}, "for somebody else"),
        ({"exp": START - 61}, "has expired"),
        ({"exp": None}, "no usable 'exp'"),
        ({"exp": True}, "no usable 'exp'"),
        ({"exp": "tomorrow"}, "no usable 'exp'"),
        ({"exp": float("nan")}, "no usable 'exp'"),
        ({"exp": 10**400}, "no usable 'exp'"),
        ({"nbf": START + 61}, "not valid yet"),
        ({"nbf": "now"}, "no usable 'nbf'"),
        ({"scope": "openid"}, "lacks the scope mail"),
        ({"scope": None}, "lacks the scope mail"),
        ({"email": None}, "no claim 'email'"),
        ({"email": ["alice@example.test"]}, "no claim 'email'"),
        ({"email": "alice@example.test\n"}, "make no name"),
        ({"email_verified": False}, "has not verified the address"),
        ({"email_verified": None, "email": "a" * 400}, "make no name"),
    ],
)
async def test_a_token_for_another_purpose_is_refused(
    issuer: LocalIssuer, verifier: Verifier, claims: dict[str, object], reason: str
) -> None:
    assert reason in await refused(verifier, issuer.token(**claims))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "mail"},
        {"exp": START - 59},
        {"nbf": None},
        {"nbf": START + 59},
        {"scope": None, "scp": ["mail", "x"]},
        {"scope": None, "scp": "x mail"},
        {"email_verified": True},
    ],
)
async def test_issuers_and_clocks_may_differ_a_little(
    issuer: LocalIssuer, verifier: Verifier, claims: dict[str, object]
) -> None:
    assert await verifier.login(issuer.token(**claims)) == "alice@example.test"


async def test_a_login_name_is_made_of_claims(issuer: LocalIssuer, plugin_scope: PluginScope) -> None:
    verifier = await make(issuer, plugin_scope, login="{https://a.example/nick}.{sub}@example.test")
    token = issuer.token(**{"https://a.example/nick": "al"})
    assert await verifier.login(token) == "al.1234@example.test"


# -- what it costs the issuer -----------------------------------------------------------------


async def test_keys_are_fetched_once_and_again_after_a_while(
    issuer: LocalIssuer, verifier: Verifier, manual_clock: ManualClock
) -> None:
    await asyncio.gather(*(verifier.login(issuer.token(exp=START + 9000)) for _ in range(20)))
    assert issuer.fetched == 1
    await manual_clock.turn(3601)
    await asyncio.gather(*(verifier.login(issuer.token(exp=START + 9000)) for _ in range(20)))
    assert issuer.fetched == 2


async def test_a_new_key_is_found_as_soon_as_a_token_names_it(
    issuer: LocalIssuer, verifier: Verifier, manual_clock: ManualClock
) -> None:
    await verifier.login(issuer.token())
    issuer.published.clear()
    issuer.add_key("new", "ES256")
    await manual_clock.turn(PAUSE)
    assert await verifier.login(issuer.token("new")) == "alice@example.test"
    assert issuer.fetched == 2
    assert "has no RS256 key 'rs'" in await refused(verifier, issuer.token("rs"))


async def test_a_flood_of_unknown_keys_is_no_flood_at_the_issuer(
    issuer: LocalIssuer, verifier: Verifier, manual_clock: ManualClock
) -> None:
    algorithm, key = issuer.keys["ed"]
    tokens = [jwt.encode({}, key, algorithm, headers={"kid": f"k{n}"}) for n in range(200)]  # type: ignore[arg-type]
    reasons = await asyncio.gather(*(refused(verifier, token) for token in tokens))
    assert set(map(len, reasons)) == {len("the issuer has no EdDSA key 'k1'") + n for n in range(3)}
    assert issuer.fetched == 1
    await manual_clock.turn(PAUSE)
    await asyncio.gather(*(refused(verifier, token) for token in tokens))
    assert issuer.fetched == 2


async def test_an_issuer_that_nobody_reaches_makes_no_token_wrong(
    issuer: LocalIssuer, verifier: Verifier, manual_clock: ManualClock
) -> None:
    token = issuer.token(exp=START + 2 * KEPT)
    await issuer.stop()
    for _ in range(3):
        with pytest.raises(OSError, match="cannot be asked"):
            await verifier.login(token)
    await issuer.start()
    with pytest.raises(OSError, match="cannot be asked"):
        await verifier.login(token)
    await manual_clock.turn(PAUSE)
    assert await verifier.login(token)
    await issuer.stop()
    await manual_clock.turn(3601)
    assert await verifier.login(token), "keys that are known go on"
    issuer.keys["new"] = issuer.keys["ed"]
    with pytest.raises(OSError, match="cannot be asked"):
        await verifier.login(issuer.token("new"))
    await manual_clock.turn(KEPT)
    with pytest.raises(OSError, match="cannot be asked"):
        await verifier.login(token)


async def _huge() -> web.StreamResponse:
    return web.Response(body=b" " * (MAX_OCTETS + 1))


async def _list() -> web.StreamResponse:
    return web.json_response([])


async def _error() -> web.StreamResponse:
    raise web.HTTPServiceUnavailable


async def _elsewhere() -> web.StreamResponse:
    raise web.HTTPFound("http://127.0.0.1:1/")


async def _insecure() -> web.StreamResponse:
    return web.json_response({"issuer": "", "jwks_uri": "http://192.0.2.1/keys"})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_huge, "more than"),
        (_list, "not answer with a JSON object"),
        (_error, "answers 503"),
        (_elsewhere, "answers 302"),
        (_insecure, "is of the issuer ''"),
    ],
)
async def test_an_issuer_that_answers_nonsense_makes_no_token_wrong(
    issuer: LocalIssuer, verifier: Verifier, answer: Callable[[], AsyncIterator[object]], reason: str
) -> None:
    issuer.broken = answer  # type: ignore[assignment]
    with pytest.raises(OSError, match=reason):
        await verifier.login(issuer.token())


@pytest.mark.parametrize("url", ["http://192.0.2.1/keys", None, "file:///etc/passwd"])
async def test_keys_are_fetched_only_where_nobody_can_change_them(
    issuer: LocalIssuer, verifier: Verifier, url: str | None
) -> None:
    async def answer() -> web.StreamResponse:
        return web.json_response({"issuer": issuer.url, "jwks_uri": url})

    issuer.broken = answer
    with pytest.raises(OSError, match=r"keys|https"):
        await verifier.login(issuer.token())


async def test_an_issuer_that_hangs_is_waited_for_only_so_long(
    issuer: LocalIssuer, plugin_scope: PluginScope
) -> None:
    async def hang() -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    issuer.broken = hang
    verifier = await make(issuer, plugin_scope, timeout=0.1)
    with pytest.raises(OSError, match="does not answer in time"):
        await verifier.login(issuer.token())


# -- tokens that only the issuer can read -----------------------------------------------------


async def test_an_opaque_token_is_shown_to_the_issuer(issuer: LocalIssuer, plugin_scope: PluginScope) -> None:
    table = {"url": issuer.url + "/introspect", "client_id": "hub", "client_secret": "s:"}
    verifier = await make(issuer, plugin_scope, introspection=table)
    said: dict[str, object] = {
        "active": True,
        "client_id": "mail",
        "scope": "mail",
        "email": "bob@example.test",
    }
    issuer.opaque = {
        "good": said,
        "stranger": {**said, "client_id": "other"},
        "inactive": {**said, "active": "true"},
        "old": {**said, "exp": START - 100},
    }
    assert await verifier.login("good") == "bob@example.test"
    assert "for somebody else" in await refused(verifier, "stranger")
    assert "not active" in await refused(verifier, "inactive")
    assert "has expired" in await refused(verifier, "old")
    assert "not active" in await refused(verifier, "unknown")
    await issuer.stop()
    with pytest.raises(OSError, match="cannot be asked"):
        await verifier.login("good")


async def test_an_issuer_that_does_not_know_the_hub_makes_no_token_wrong(
    issuer: LocalIssuer, plugin_scope: PluginScope
) -> None:
    table = {"url": issuer.url + "/introspect", "client_id": "hub", "client_secret": "wrong"}
    verifier = await make(issuer, plugin_scope, introspection=table)
    with pytest.raises(OSError, match="answers 401"):
        await verifier.login("good")


# -- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"issuer": "http://login.example"}, "https"),
        ({"issuer": "login.example"}, "https"),
        ({"issuer": "https://[::1"}, "address"),
        ({"issuer": "https://login.example/?a=b"}, "no query"),
        ({"audience": []}, "at least 1"),
        ({"login": "email"}, "braces"),
        ({"login": "{email"}, "braces"),
    ],
)
def test_settings_that_cannot_be_right_are_errors(table: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Settings.model_validate({"issuer": "https://login.example", "audience": ["mail"], **table})
