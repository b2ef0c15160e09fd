"""`openssl ocsp` as the responder of a test's authority."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.tls.authority import Authority, Issued


def names_responder(port: int) -> x509.AuthorityInformationAccess:
    """The extension that says where to ask."""
    url = x509.UniformResourceIdentifier(f"http://127.0.0.1:{port}/")
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)])


@asynccontextmanager
async def responding(
    folder: Path, port: int, authority: Authority, issued: Issued, *, revoked: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A responder that knows this certificate, until the end."""
    key = folder / "ca.key"
    key.write_bytes(authority.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    state = "R\t350101000000Z\t250101000000Z" if revoked else "V\t350101000000Z\t"
    index = folder / "index.txt"
    index.write_text(f"{state}\t{issued.certificate.serial_number:X}\tunknown\t/CN=x\n")
    signer = ["-CA", authority.file, "-rsigner", authority.file, "-rkey", key]
    responder = await asyncio.create_subprocess_exec(
        "openssl", "ocsp", "-index", str(index), "-port", str(port), *map(str, signer), "-nmin", "60",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert responder.stderr is not None
        async with asyncio.timeout(20):
            while b"waiting for OCSP client connections" not in (line := await responder.stderr.readline()):
                assert line, "the responder has ended"
        yield responder
    finally:
        if responder.returncode is None:
            responder.kill()
        await responder.wait()
