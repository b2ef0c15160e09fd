"""A certificate for this machine that nobody trusts unless told to."""

from __future__ import annotations

import subprocess
from pathlib import Path


def self_signed(folder: Path) -> tuple[Path, Path]:
    """PEM files of a certificate for 127.0.0.1 and localhost and of its key, made by openssl."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    said = [*command.split(), "-subj", "/CN=localhost", "-addext", names]
    subprocess.run([*said, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key
