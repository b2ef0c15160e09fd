"""Fetching what a registry holds, from a folder or over HTTP, within bounds of size and time."""

from __future__ import annotations

import http.client
import ipaddress
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from hub.registry.index import FILE, Index, RegistryError, parse

LARGEST: Final = 32 << 20
"""Octets of an index."""
PATIENCE: Final = 30.0
"""Seconds that a registry may keep silent."""


def base_of(place: str) -> str:
    """The URL of a registry, with a slash at its end; a folder becomes a file: URL. RegistryError."""
    parts = urlsplit(place)
    if parts.scheme in ("http", "https"):
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise RegistryError(f"{place}: what is installed from there runs in the hub, so it must be https")
        return place.rstrip("/") + "/"
    if parts.scheme not in ("", "file"):
        raise RegistryError(f"{place} is neither a folder nor an http or https URL")
    folder = Path(urllib.request.url2pathname(parts.path)) if parts.scheme else Path(place).expanduser()
    if not folder.is_dir():
        raise RegistryError(f"there is no registry in {folder}: no such folder")
    return f"file://{quote(str(folder.resolve()))}/"


def read_index(place: str) -> Index:
    """The index of the registry at a folder or URL. RegistryError."""
    url = base_of(place) + FILE
    return parse(fetch(url), url)


def fetch(url: str) -> bytes:
    """What lies at an http, https or file URL. RegistryError."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            content: bytes = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise RegistryError(f"{url}: the server says {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise RegistryError(f"{url} cannot be read: {reason}") from None
    if len(content) > LARGEST:
        raise RegistryError(f"{url} is larger than {LARGEST >> 20} MiB")
    return content


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
