"""An authority, spoken with by the library `acme`: every call blocks, for one request and its answer.

Loaded when an order is due and not before, for the libraries take half a second and some megabytes.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, cast

import requests
from acme import challenges, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from josepy.b64 import b64encode
from josepy.errors import Error as JoseError
from josepy.interfaces import JSONDeSerializable
from josepy.json_util import field
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from hub import __version__
from hub_plugin_acme.advice import ADVICE, OTHERWISE, UNREACHABLE
from hub_plugin_acme.orders import Authorization, Challenge, Order, Refused
from hub_plugin_acme.settings import ExternalAccount

TIMEOUT: Final = 30
"""Seconds without a sign of the authority."""
LARGEST: Final = 1 << 20
"""Octets of an answer."""
NONCES: Final = 10
"""How often a request is sent again because its nonce was refused, which is no fault of anybody."""
LONGEST_PAUSE: Final = 8 * 86400.0
"""Seconds of Retry-After that are believed; the longest limits are counted by the week."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{20,200}")
_READY: Final = challenges.HTTP01Response(key_authorization="")  # `{}`, whatever the challenge (§7.5.1)


class _NewOrder(messages.NewOrder):
    """replaces: the certificate that it is a renewal of (RFC 9773 §5)."""

    replaces: str | None = field("replaces", omitempty=True)


class _Network(ClientNetwork):
    """HTTPS alone, bounded answers, patience with nonces; and the last Retry-After is kept."""

    def __init__(self, key: JWKEC, ca_file: Path | None) -> None:
        super().__init__(key, alg=ES256, user_agent=f"mail-hub/{__version__}", timeout=TIMEOUT)
        if ca_file is not None:
            self.verify_ssl = cast(bool, str(ca_file))  # handed to requests, which takes a path too
        self.session.adapters.pop("http://")  # RFC 8555 §6.1; a redirect leads nowhere else either
        self.session.hooks["response"].append(self._look)
        self.later = 0.0

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        """A request that is signed. Each try is two of the library's (RFC 8555 §6.5)."""
        for _ in range(NONCES - 1):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)

    def _look(self, response: requests.Response, *_: object, **__: object) -> None:
        self.later = _seconds(response.headers.get("Retry-After", ""))
        content = response.raw.read(LARGEST + 1, decode_content=True)
        if len(content) > LARGEST:
            raise requests.RequestException(f"an answer of more than {LARGEST} octets from {response.url}")
        response.raw = io.BytesIO(content)


class Ca:
    """One account at one authority. Every method raises Refused, and only that."""

    def __init__(self, directory: str, ca_file: Path | None, key_pem: str, account: str | None) -> None:
        """key_pem: the account's. account: its address, None before `register`."""
        key = JWKEC(key=cast(Any, load_pem_private_key(key_pem.encode(), None)))
        self._key = key
        self._net = _Network(key, ca_file)
        self._host = directory
        try:
            with self._translated():
                self._client = ClientV2(ClientV2.get_directory(directory, self._net), self._net)
        except Refused:
            self.close()
            raise
        if account is not None:
            self._net.account = _account(account)

    def close(self) -> None:
        """Leave it; this does not block."""
        self._net.session.close()

    @property
    def terms(self) -> str | None:
        """Where its terms of service are, if it has any."""
        with self._translated():
            return cast("str | None", self._client.directory.meta.terms_of_service)

    def register(self, contact: Sequence[str], external: ExternalAccount | None) -> str:
        """Make an account, or find the one of the key; its address. The terms are agreed to."""
        with self._translated():
            binding = None
            if external is not None:
                binding = messages.ExternalAccountBinding.from_data(
                    self._key.public_key(),
                    external.key_id,
                    external.key.reveal(),
                    self._client.directory,
                    external.algorithm,
                )
            elif self._client.external_account_required():
                raise Refused(
                    f"{self._host} issues to its customers alone", ADVICE["externalAccountRequired"]
                )
            wanted = messages.NewRegistration.from_data(
                contact=[f"mailto:{address}" for address in contact],
                external_account_binding=binding,
                terms_of_service_agreed=True,
            )
            try:
                address = self._client.new_account(wanted).uri
            except errors.ConflictError as known:
                address = known.location
            self._net.account = _account(address)
            return address

    def order(self, names: Sequence[str], replaces: str | None) -> Order:
        """Ask for a certificate. replaces: the chain of the one that it is to replace."""
        with self._translated():
            old = None
            if replaces is not None and "renewalInfo" in self._client.directory.to_partial_json():
                old = _identifier(x509.load_pem_x509_certificate(replaces.encode()))
            identifiers = [messages.Identifier(typ=messages.IDENTIFIER_FQDN, value=name) for name in names]
            answer = self._post(
                self._client.directory["newOrder"], _NewOrder(identifiers=identifiers, replaces=old)
            )
            return self._order(answer, answer.headers["Location"])

    def look(self, order: Order) -> Order:
        """The order as it is now."""
        with self._translated():
            return self._order(self._post(order.url, None), order.url)

    def authorization(self, url: str) -> Authorization:
        """A name that an order needs to be proved."""
        with self._translated():
            body = messages.Authorization.from_json(self._post(url, None).json())
            found, trouble = {}, None
            for each in body.challenges:
                said = each.to_partial_json()
                if each.error is not None:
                    trouble = self._refused(each.error)
                if _TOKEN.fullmatch(token := str(said.get("token", ""))):
                    kind = str(said["type"])
                    found[kind] = Challenge(kind, each.uri, token, f"{token}.{self._thumbprint}")
            return Authorization(url, body.identifier.value.lower(), body.status.name, found, trouble)

    def answer(self, challenge: Challenge) -> None:
        """Say that it may look."""
        with self._translated():
            self._post(challenge.url, _READY)

    def finalize(self, order: Order, csr_pem: bytes) -> Order:
        """All names are proved: have the certificate made."""
        with self._translated():
            wrapped = messages.CertificateRequest(csr=x509.load_pem_x509_csr(csr_pem))
            return self._order(self._post(order.finalize, wrapped), order.url)

    def download(self, url: str) -> str:
        """The certificate with its chain."""
        with self._translated():
            return self._post(url, None).text

    def revoke(self, chain_pem: str, reason: int) -> None:
        """Take a certificate back (RFC 8555 §7.6), whose revocation nothing changes if it is so already."""
        with self._translated():
            try:
                self._client.revoke(x509.load_pem_x509_certificate(chain_pem.encode()), reason)
            except messages.Error as error:
                if error.code != "alreadyRevoked":
                    raise

    def renewal(self, chain_pem: str) -> tuple[float | None, float]:
        """When the authority wants it renewed, None if it does not say; and when to ask again (RFC 9773)."""
        with self._translated():
            when, again = self._client.renewal_time(chain_pem.encode())
            return when.timestamp() if when is not None else None, again.timestamp()

    @property
    def _thumbprint(self) -> str:
        return b64encode(self._key.thumbprint()).decode()

    def _post(self, url: str, content: JSONDeSerializable | None) -> requests.Response:
        return self._net.post(url, content, new_nonce_url=self._client.directory["newNonce"])

    def _order(self, answer: requests.Response, url: str) -> Order:
        body = messages.Order.from_json(answer.json())
        trouble = self._refused(body.error) if body.error is not None else None
        return Order(
            url, body.status.name, body.finalize, tuple(body.authorizations), body.certificate, trouble
        )

    def _refused(self, error: messages.Error) -> Refused:
        kind = str(error.typ).rpartition(":")[2]
        parts = [error, *(error.subproblems or ())]
        said = "; ".join(str(each.detail or each.title or each.typ)[:300] for each in parts[:4])
        advice = ADVICE.get(kind, OTHERWISE)
        return Refused(
            f"{kind}: {said}", advice, later=self._net.later, unknown=kind == "accountDoesNotExist"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever goes wrong between here and there is one kind of failure."""
        try:
            yield
        except messages.Error as error:
            raise self._refused(error) from error
        except requests.RequestException as error:
            raise Refused(f"{self._host} cannot be asked: {_shown(error)}", UNREACHABLE) from error
        except (
            errors.Error,
            JoseError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
        ) as error:
            said = f"{self._host} answers what is no ACME: {_shown(error)}"
            raise Refused(said, UNREACHABLE, later=self._net.later) from error
        except OSError as error:  # of ca_file
            raise Refused(_shown(error), UNREACHABLE) from error


def _account(address: str) -> messages.RegistrationResource:
    return messages.RegistrationResource(body=messages.Registration(), uri=address)


def _identifier(certificate: x509.Certificate) -> str:
    """What a certificate is called when its renewal is spoken of (RFC 9773 §4.1)."""
    extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    serial = certificate.serial_number
    # As DER has an INTEGER: a leading zero octet where the first bit would be a sign.
    octets = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    parts = (extension.value.key_identifier or b"", octets)
    return ".".join(b64encode(part).decode() for part in parts)


def _seconds(text: str) -> float:
    """A Retry-After (RFC 9110 §10.2.3), nothing if there is none."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return min(float(text), LONGEST_PAUSE)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _shown(error: BaseException) -> str:
    inner = error
    while isinstance(cause := inner.__cause__ or inner.__context__, Exception):
        inner = cause
    return " ".join(f"{type(inner).__name__}: {inner}".split())[:300]
