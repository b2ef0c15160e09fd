"""Sizes, durations and socket addresses as operators write them. The same functions read them everywhere."""

import ipaddress
import math
import re

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)?\s*", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*\.?", re.ASCII)
_SECONDS = (
    ("ms", 0.001),
    ("s", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("h", 3600.0),
    ("d", 86400.0),
    ("w", 604800.0),
)
_LONGEST = 100 * 365 * 86400.0
_LARGEST = 1 << 60
_LONGEST_PATH = 107  # unix(7): 108 with the NUL behind it


def parse_size(value: object) -> int:
    """Bytes from a whole number or a text such as "25MB" (powers of 1000) or "25MiB" (powers of 1024).

    Raises ValueError with a sentence for the operator.
    """
    wrong = ValueError('should be a size: bytes, or a text such as "25MB" or "64KiB"')
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None or len(match[1]) > 20:
            raise wrong
        unit = match[2].lower()
        base = 1024 if "i" in unit else 1000
        power = "kmgt".find(unit[0]) + 1 if unit else 0
        if power == 0 and ("i" in unit or "." in match[1]):
            raise wrong
        value = round(float(match[1]) * base**power) if "." in match[1] else int(match[1]) * base**power
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong
    if not 0 <= value <= _LARGEST:
        raise ValueError(f"should be a size between 0 and {_LARGEST} bytes")
    return value


def parse_duration(value: object) -> float:
    """Seconds from a number or a text such as "90s", "5m", "1h", "2d" or "250ms".

    Raises ValueError with a sentence for the operator.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        if match is None or len(match[1]) > 20:
            raise ValueError('should be a duration: seconds, or a text such as "90s", "5m", "1h" or "250ms"')
        value = float(match[1]) * dict(_SECONDS)[(match[2] or "s").lower()]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError('should be a duration: seconds, or a text such as "90s", "5m", "1h" or "250ms"')
    if not math.isfinite(value) or not 0 <= value <= _LONGEST:
        raise ValueError("should be a duration between 0 and 100 years")
    return float(value)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of "127.0.0.1:2525", "[::1]:25" or "mail.example.org:25"; port 0 lets the system choose.

    Of "unix:/run/hub/lmtp" the path and 0. Raises ValueError with a sentence for the operator.
    """
    if text.startswith("unix:"):
        return _unix_path(text.removeprefix("unix:")), 0
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
        raise ValueError('should be host and port, such as "127.0.0.1:2525" or "[::]:25"')
    if host.startswith("[") and host.endswith("]"):
        return _ip_address(host[1:-1], ipaddress.IPv6Address, text), int(port)
    if ":" in host:
        raise ValueError(f'should have its IPv6 address in brackets: "[{host}]:{port}"')
    if re.fullmatch(r"[\d.]+", host, re.ASCII):
        return _ip_address(host, ipaddress.IPv4Address, text), int(port)
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise ValueError('should be host and port, such as "127.0.0.1:2525" or "[::]:25"')
    return host, int(port)


def is_unix(host: str) -> bool:
    """Whether what `parse_address` gives as a host is the path of a Unix socket."""
    return host.startswith("/")


def shown(host: str, port: int) -> str:
    """What `parse_address` gives, as it was written."""
    if is_unix(host):
        return f"unix:{host}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _unix_path(path: str) -> str:
    if not path.startswith("/") or "\0" in path or len(path.encode()) > _LONGEST_PATH:
        raise ValueError(
            f"should name a Unix socket by a path from / on, of {_LONGEST_PATH} octets at most, such as "
            '"unix:/run/hub/lmtp"'
        )
    return path


def _ip_address(host: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address], text: str) -> str:
    try:
        return str(kind(host))
    except ValueError:
        raise ValueError(f"has no valid IP address in {text!r}") from None
