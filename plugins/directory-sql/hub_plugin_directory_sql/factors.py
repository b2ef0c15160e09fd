"""What an account logs in with beside its password: app passwords, and codes of an authenticator (RFC 6238).

An app password is 100 random bits that we make, so one SHA-256 keeps it as well as argon2 keeps a password
that somebody has thought of, and finds it by key, however many an account has.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pyotp
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from hub import PASSWORD_SCOPES, Address, AppPassword, TotpSecret
from hub_plugin_directory_sql.tables import APP_PASSWORD, TOTP

SCOPE_OF: Final = {"submission": "smtp", "submissions": "smtp", "imaps": "imap", "pop3s": "pop3"}
"""A session's protocol → the scope that it takes, where that is called otherwise."""
MAX_APP_PASSWORDS: Final = 100
STEP: Final = 30  # seconds that a code is shown
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_LENGTH: Final = 20
_FORM: Final = re.compile(rf"[{_ALPHABET}]{{{_LENGTH}}}\Z")
_CODE: Final = re.compile(r"[0-9]{6}\Z")
_MIN_SECRET: Final = 16  # RFC 4226 §4: 128 bits at least, as octets


@dataclass(frozen=True, slots=True)
class Totp:
    """An account's authenticator. used: the time step of the last code that was taken."""

    secret: str = field(repr=False)
    used: int


@dataclass(frozen=True, slots=True)
class FoundPassword:
    """The app password that somebody has shown."""

    id: int
    public: AppPassword


# -- app passwords ----------------------------------------------------------------------------


def make_app_password() -> str:
    """A new one, in groups that can be typed."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(letters[at : at + 4] for at in range(0, _LENGTH, 4))


def app_digest(password: str) -> bytes | None:
    """What is kept of it; None for what cannot be one of ours. Hyphens, spaces and case are for people."""
    if len(password) > 2 * _LENGTH:
        return None
    letters = password.replace("-", "").replace(" ", "").lower()
    return hashlib.sha256(letters.encode()).digest() if _FORM.match(letters) else None


_FIND: Final = select(APP_PASSWORD).where(
    APP_PASSWORD.c.account == bindparam("a"), APP_PASSWORD.c.digest == bindparam("d")
)


def find_app_password(connection: Connection, account: int, digest: bytes) -> FoundPassword | None:
    """The one that was shown."""
    row = connection.execute(_FIND, {"a": account, "d": digest}).first()
    if row is None:
        return None
    return FoundPassword(row.id, AppPassword(row.name, tuple(row.scopes.split()), row.created, row.used))


def add_app_password(
    connection: Connection, account: int, name: str, scopes: Sequence[str], digest: bytes, now: float
) -> None:
    """ValueError for a name that is taken or a scope that is none."""
    if not 0 < len(name) <= 255 or not name.isprintable():
        raise ValueError("the name of an app password has 1 to 255 printable characters")
    unknown = [scope for scope in scopes if scope not in PASSWORD_SCOPES]
    if unknown or not scopes:
        said = f"there is no scope {unknown[0]!r}" if unknown else "an app password is for something"
        raise ValueError(f"{said}; scopes are {', '.join(PASSWORD_SCOPES)}")
    names = {each.name for each in app_passwords(connection, account)}
    if name in names:
        raise ValueError(f"there is an app password {name!r} already; remove it or choose another name")
    if len(names) >= MAX_APP_PASSWORDS:
        raise ValueError(f"an account has at most {MAX_APP_PASSWORDS} app passwords")
    kept = " ".join(scope for scope in PASSWORD_SCOPES if scope in scopes)
    row = {"account": account, "name": name, "digest": digest, "scopes": kept, "created": now}
    connection.execute(insert(APP_PASSWORD).values(row))


def app_passwords(connection: Connection, account: int) -> Sequence[AppPassword]:
    """By name."""
    found = select(APP_PASSWORD).where(APP_PASSWORD.c.account == account).order_by(APP_PASSWORD.c.name)
    rows = connection.execute(found)
    return [AppPassword(row.name, tuple(row.scopes.split()), row.created, row.used) for row in rows]


def remove_app_password(connection: Connection, account: int, name: str) -> None:
    """LookupError if there is none of the name."""
    found = delete(APP_PASSWORD).where(APP_PASSWORD.c.account == account, APP_PASSWORD.c.name == name)
    if not connection.execute(found).rowcount:
        names = ", ".join(repr(each.name) for each in app_passwords(connection, account))
        raise LookupError(f"there is no app password {name!r}; there are: {names or 'none'}")


def touch_app_password(connection: Connection, number: int, now: float) -> None:
    """It has logged in."""
    connection.execute(update(APP_PASSWORD).where(APP_PASSWORD.c.id == number).values(used=now))


# -- codes ------------------------------------------------------------------------------------


def split_code(password: str) -> tuple[str, str]:
    """The password and the code behind it, empty if there is none."""
    return (password[:-6], password[-6:]) if _CODE.search(password, 1) else (password, "")


def new_totp(address: Address, secret: str | None) -> TotpSecret:
    """ValueError for a secret that is no base32 or too short."""
    secret = pyotp.random_base32() if secret is None else _checked_secret(secret)
    return TotpSecret(secret, pyotp.TOTP(secret).provisioning_uri(name=str(address), issuer_name="Mail"))


def step_of(secret: str, code: str, now: float) -> int | None:
    """The time step that a code belongs to: this one, or a neighbour, for clocks differ; None if to none."""
    totp, current = pyotp.TOTP(secret), int(now // STEP)
    fitting = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(totp.generate_otp(step), code):
            fitting = step
    return fitting


def enable_totp(connection: Connection, account: int, secret: str, step: int) -> None:
    """In place of an authenticator that was there."""
    disable_totp(connection, account)
    connection.execute(insert(TOTP).values(account=account, secret=secret, used=step))


def use_code(connection: Connection, account: int, step: int) -> bool:
    """Whether the code of this step had not been used; now it is, and so are all before it."""
    taken = update(TOTP).where(TOTP.c.account == account, TOTP.c.used < step).values(used=step)
    return bool(connection.execute(taken).rowcount)


def disable_totp(connection: Connection, account: int) -> bool:
    """Whether it was enabled."""
    return bool(connection.execute(delete(TOTP).where(TOTP.c.account == account)).rowcount)


def remove_factors(connection: Connection, account: int) -> None:
    """Everything of an account that goes."""
    connection.execute(delete(APP_PASSWORD).where(APP_PASSWORD.c.account == account))
    disable_totp(connection, account)


def _checked_secret(text: str) -> str:
    secret = text.replace(" ", "").replace("-", "").upper().rstrip("=")
    try:
        octets = pyotp.TOTP(secret).byte_secret()
    except ValueError:
        raise ValueError("the secret is not base32 (RFC 4648 §6)") from None
    if not _MIN_SECRET <= len(octets) <= 64:
        raise ValueError(f"a secret has {_MIN_SECRET} to 64 octets, this one has {len(octets)}")
    return secret
