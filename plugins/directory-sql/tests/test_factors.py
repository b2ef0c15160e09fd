"""App passwords and codes, and that nothing about an account can be told from how long a refusal takes."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest
from hub_plugin_directory_sql import SqlDirectory
from hub_plugin_directory_sql.factors import MAX_APP_PASSWORDS, app_digest, make_app_password
from hub_plugin_directory_sql.login import MAX_GUESSES
from hub_plugin_directory_sql.passwords import Hasher

from hub import Account, Address, AppPassword, Identity, Password, Refuse, SecondFactors

ALICE = Address("alice", "example.test")
LOGIN = "alice@example.test"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
async def alice(directory: SqlDirectory) -> Account:
    await directory.add_domain("example.test")
    return await directory.add_account(ALICE, "wonderland")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that were computed."""
    calls: list[str] = []
    real = Hasher._verify_form

    def counting(self: Hasher, text: str, password: bytes) -> bool:
        calls.append(text)
        return real(self, text, password)

    monkeypatch.setattr(Hasher, "_verify_form", counting)
    return calls


async def log_in(
    directory: SqlDirectory, password: str, protocol: str = "imap", username: str = LOGIN
) -> Identity | Refuse | None:
    return await directory.authenticate(Password(username, password), protocol)


async def succeeds(directory: SqlDirectory, password: str, protocol: str = "imap") -> bool:
    return isinstance(await log_in(directory, password, protocol), Identity)


def test_the_directory_offers_second_factors(directory: SqlDirectory) -> None:
    assert isinstance(directory, SecondFactors)


# -- app passwords ----------------------------------------------------------------------------


async def test_an_app_password_logs_in_where_it_is_meant_to(
    directory: SqlDirectory, alice: Account, hashed: list[str]
) -> None:
    password = await directory.add_app_password(ALICE, "Phone", ["imap", "smtp"])
    for protocol in ("imap", "imaps", "submission", "submissions"):
        assert await log_in(directory, password, protocol) == Identity(alice.ref, LOGIN, ALICE)
    assert await succeeds(directory, password.upper().replace("-", " "))
    assert await log_in(directory, password, "pop3") == Refuse(
        "the app password 'Phone' is for smtp, imap, not for pop3"
    )
    assert hashed == []
    assert await succeeds(directory, "wonderland")
    assert await log_in(directory, make_app_password()) == Refuse("wrong password")


async def test_an_app_password_is_of_one_account(directory: SqlDirectory, alice: Account) -> None:
    await directory.add_account(Address("bob", "example.test"), None)
    password = await directory.add_app_password(Address("bob", "example.test"), "Phone", ["imap"])
    assert not await succeeds(directory, password)
    assert isinstance(await log_in(directory, password, username="bob@example.test"), Identity)
    assert await log_in(directory, password, username="carol@example.test") is None


async def test_it_is_known_when_an_app_password_was_used(
    directory: SqlDirectory, scope: Any, tables: Any, alice: Account
) -> None:
    password = await directory.add_app_password(ALICE, "Phone", ["dav", "imap"])
    made = AppPassword("Phone", ("imap", "dav"), 1_000_000.0)
    assert await directory.app_passwords(ALICE) == [made]
    scope.clock.now += 100
    assert await succeeds(directory, password)
    tables.writable = False
    scope.clock.now += 59
    assert await succeeds(directory, password)
    assert scope.log.lines == []
    scope.clock.now += 1
    assert await succeeds(directory, password), "a login does not depend on the note"
    assert [line for line, _ in scope.log.lines] == ["last use not noted"]
    (seen,) = await directory.app_passwords(ALICE)
    assert seen.used == 1_000_100.0


async def test_a_removed_app_password_and_one_of_a_disabled_account_log_nobody_in(
    directory: SqlDirectory, alice: Account
) -> None:
    phone = await directory.add_app_password(ALICE, "Phone", ["imap"])
    laptop = await directory.add_app_password(ALICE, "Laptop", ["imap"])
    await directory.remove_app_password(ALICE, "Phone")
    assert not await succeeds(directory, phone)
    assert await succeeds(directory, laptop)
    await directory.change_account(ALICE, enabled=False)
    assert await log_in(directory, laptop) == Refuse("the account is disabled")
    await directory.remove_account(ALICE)
    await directory.add_account(ALICE, "wonderland")
    assert not await succeeds(directory, laptop)


@pytest.mark.parametrize(
    ("name", "scopes", "reason"),
    [
        ("", ["imap"], "1 to 255"),
        ("a\nb", ["imap"], "1 to 255"),
        ("Phone", ["imap"], "there is an app password 'Phone' already"),
        ("Laptop", ["impa"], "there is no scope 'impa'"),
        ("Laptop", [], "is for something"),
    ],
)
async def test_an_app_password_that_cannot_be_is_refused(
    directory: SqlDirectory, alice: Account, name: str, scopes: list[str], reason: str
) -> None:
    await directory.add_app_password(ALICE, "Phone", ["imap"])
    with pytest.raises(ValueError, match=reason):
        await directory.add_app_password(ALICE, name, scopes)
    with pytest.raises(LookupError, match="there are: 'Phone'"):
        await directory.remove_app_password(ALICE, "Tablet")


async def test_an_account_has_so_many_app_passwords(directory: SqlDirectory, alice: Account) -> None:
    for number in range(MAX_APP_PASSWORDS):
        await directory.add_app_password(ALICE, str(number), ["imap"])
    with pytest.raises(ValueError, match="at most"):
        await directory.add_app_password(ALICE, "one more", ["imap"])


def test_what_cannot_be_an_app_password_is_not_looked_for() -> None:
    assert app_digest(make_app_password()) is not None
    for password in ("", "wonderland", "a" * 19, "a" * 21, "a" * 10_000, "1" * 20, "\ud800" * 20, "é" * 20):
        assert app_digest(password) is None
    assert len({make_app_password() for _ in range(100)}) == 100


# -- codes ------------------------------------------------------------------------------------


def code(now: float, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).at(now)


async def enable(directory: SqlDirectory, scope: Any) -> None:
    """TOTP for alice; the code that it took is two minutes old afterwards."""
    await directory.enable_totp(ALICE, SECRET, code(scope.clock.now))
    scope.clock.now += 120


async def test_with_totp_the_password_takes_a_code_behind_it(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    assert await directory.scram_keys(LOGIN) is not None
    await enable(directory, scope)
    now = scope.clock.now
    refusal = await log_in(directory, "wonderland")
    assert isinstance(refusal, Refuse)
    assert "takes a code" in refusal.reason
    wrong = f"{(int(code(now)) + 1) % 1_000_000:06}"
    assert await log_in(directory, f"wonderland{wrong}") == Refuse("wrong code")
    assert await log_in(directory, f"Wonderland{code(now)}") == Refuse("wrong password")
    assert await log_in(directory, code(now)) == Refuse("wrong password")
    assert await succeeds(directory, f"wonderland{code(now)}")
    assert await directory.scram_keys(LOGIN) is None, "SCRAM has no place for a code"
    await directory.disable_totp(ALICE)
    assert await succeeds(directory, "wonderland")
    assert await directory.scram_keys(LOGIN) is not None


async def test_a_code_is_used_once(directory: SqlDirectory, scope: Any, alice: Account) -> None:
    await directory.enable_totp(ALICE, SECRET, code(scope.clock.now))
    enabling = f"wonderland{code(scope.clock.now)}"
    assert await log_in(directory, enabling) == Refuse("the code was used before")
    scope.clock.now += 30
    assert await succeeds(directory, f"wonderland{code(scope.clock.now)}")
    assert not await succeeds(directory, f"wonderland{code(scope.clock.now)}")
    assert not await succeeds(directory, enabling), "nor one before it"
    scope.clock.now += 30
    assert await succeeds(directory, f"wonderland{code(scope.clock.now)}")


async def test_clocks_may_differ_by_half_a_minute(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    await enable(directory, scope)
    now = scope.clock.now
    assert not await succeeds(directory, f"wonderland{code(now - 60)}")
    assert not await succeeds(directory, f"wonderland{code(now + 60)}")
    assert await succeeds(directory, f"wonderland{code(now - 30)}")
    assert await succeeds(directory, f"wonderland{code(now + 30)}")


async def test_who_knows_the_password_cannot_try_all_codes(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    await enable(directory, scope)
    phone = await directory.add_app_password(ALICE, "Phone", ["imap"])
    wrong = f"{(int(code(scope.clock.now)) + 1) % 1_000_000:06}"
    for _ in range(MAX_GUESSES):
        assert await log_in(directory, f"wonderland{wrong}") == Refuse("wrong code")
    right = await log_in(directory, f"wonderland{code(scope.clock.now)}")
    assert isinstance(right, Refuse)
    assert "wrong codes within" in right.reason
    assert await succeeds(directory, phone)


async def test_totp_is_enabled_by_the_code_of_the_moment_alone(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    made = await directory.new_totp(ALICE)
    assert made.uri.startswith("otpauth://totp/Mail:alice%40example.test?secret=")
    assert made.secret not in repr(made)
    for wrong in ("", "000000x", code(scope.clock.now - 90, made.secret)):
        with pytest.raises(ValueError, match="not the code of this moment"):
            await directory.enable_totp(ALICE, made.secret, wrong)
    assert await succeeds(directory, "wonderland")
    for secret in ("not base32!", "JBSWY3DP", "A" * 200):
        with pytest.raises(ValueError, match="secret"):
            await directory.new_totp(ALICE, secret)
    with pytest.raises(LookupError, match="has no TOTP"):
        await directory.disable_totp(ALICE)


# -- time -------------------------------------------------------------------------------------


async def test_every_refusal_costs_one_hash_of_the_same_cost(
    directory: SqlDirectory, scope: Any, alice: Account, hashed: list[str]
) -> None:
    for name in ("disabled", "coded", "empty"):
        await directory.add_account(Address(name, "example.test"), None if name == "empty" else "secret")
    await directory.change_account(Address("disabled", "example.test"), enabled=False)
    await directory.enable_totp(Address("coded", "example.test"), SECRET, code(scope.clock.now))
    app_password = make_app_password()
    attempts = [
        (name, password)
        for name in ("alice", "disabled", "coded", "empty", "nobody", "", "\0")
        for password in ("wrong", "wrong123456", "123456", "secret ", "\u00ad123456", "bell\a", app_password)
    ]
    attempts += [("disabled", "secret"), ("coded", "secret")]
    for name, password in attempts:
        hashed.clear()
        answer = await log_in(directory, password, username=f"{name}@example.test")
        assert not isinstance(answer, Identity)
        assert len(hashed) == 1, (name, password)
        assert hashed[0].startswith("$argon2id$v=19$m=1024,t=1,p=1$")
