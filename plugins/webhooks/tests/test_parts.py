"""Signatures, settings, and where a request may go."""

import base64
import socket
import ssl
import subprocess
import time
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from hub_plugin_webhooks.posting import Poster, _retry_after
from hub_plugin_webhooks.settings import Endpoint
from hub_plugin_webhooks.signature import signed, signing_key
from pydantic import ValidationError

from hub import Secret

from .conftest import SECRET, Receiver

LOCAL = Endpoint(url="http://127.0.0.1/", secret=Secret(SECRET)).model_dump()


def test_the_signature_is_that_of_the_published_example() -> None:
    key = signing_key(Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
    fields = signed([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert fields["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_short", "whsec_" + "A" * 200, "not base64 at all, is it?!"]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as error:
        Endpoint.model_validate({"url": "https://x.example", "secret": Secret(secret)})
    assert not secret or f"{secret}'" not in str(error.value).replace("whsec_`", "")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://x.example/", "no http or https address"),
        ("https:///path", "no http or https address"),
        ("https://user:pass@x.example/", "holds a login"),
        ("http://x.example/", "use https"),
        ("http://8.8.8.8/", "use https"),
    ],
)
def test_a_url_that_leads_nowhere_safe_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Endpoint(url=url, secret=Secret(SECRET))


async def test_a_name_that_leads_to_a_private_address_is_refused_unless_that_is_allowed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)  # what a hostile name server says
    for private, status in ((False, 0), (True, 204)):
        url = f"http://inside.example:{receiver.port}/hook"
        endpoint = Endpoint.model_construct(**{**LOCAL, "url": url, "private": private})
        async with Poster(endpoint, "0") as poster:
            answer = await poster.post("evt_1", "{}")
        assert answer.status == status, answer
    assert len(receiver.attempts) == 1
    monkeypatch.undo()


async def test_a_server_is_known_by_its_certificate_unless_the_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    subprocess.run(
        [*make.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    app = web.Application()
    app.router.add_post("/", taking)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    for settings, status in (({}, 0), ({"tls_verify": False}, 200), ({"tls_ca": certificate}, 200)):
        endpoint = Endpoint.model_validate({"url": url, "secret": Secret(SECRET), **settings})
        async with Poster(endpoint, "0") as poster:
            answer = await poster.post("evt_1", "{}")
        assert answer.status == status
        assert status or "certificate" in answer.text.lower()
    await runner.cleanup()


async def taking(_: web.Request) -> web.Response:
    return web.Response()


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, 0), ("120", 120), ("soon", 0), ("-5", 0), ("9" * 30, 86400)]
)
def test_retry_after_is_read_in_seconds(value: str | None, seconds: float) -> None:
    assert _retry_after(value) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert 50 < _retry_after(formatdate(time.time() + 60, usegmt=True)) <= 61


def test_the_smallest_secret_has_24_octets() -> None:
    assert len(signing_key(Secret("whsec_" + base64.b64encode(bytes(24)).decode()))) == 24
