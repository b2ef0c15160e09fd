"""Who somebody is: hashes of ours and of others, SCRAM keys, time, and how often a password is hashed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import subprocess
import threading
from types import SimpleNamespace
from typing import Any, cast

import argon2
import bcrypt
import pytest
from hub_plugin_directory_sql import DIRECTORY, SqlDirectory, authenticate, resolve_scram_keys, shacrypt
from hub_plugin_directory_sql.passwords import Hasher
from scramp import ScramClient, ScramMechanism

from hub import Account, Address, Bearer, Identity, Password, Plugin, Refuse, ScramKeys, Session

ALICE = Address("alice", "example.test")
LOGIN = "alice@example.test"
SESSION = cast(Session, SimpleNamespace(protocol="imap"))


@pytest.fixture
async def alice(directory: SqlDirectory) -> Account:
    await directory.add_domain("example.test")
    return await directory.add_account(ALICE, "wonderland")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords were verified against."""
    calls: list[str] = []
    real = Hasher.verify

    def counting(self: Hasher, text: str, password: str, *, ours: bool) -> bool:
        calls.append(text)
        return real(self, text, password, ours=ours)

    monkeypatch.setattr(Hasher, "verify", counting)
    return calls


async def log_in(directory: SqlDirectory, username: str, password: str) -> Identity | Refuse | None:
    return await directory.authenticate(Password(username, password), "imap")


async def succeeds(directory: SqlDirectory, password: str, username: str = LOGIN) -> bool:
    answer = await log_in(directory, username, password)
    assert answer is None or isinstance(answer, Refuse) or answer.address == ALICE
    return isinstance(answer, Identity)


def exchange(keys: ScramKeys, username: str, password: str) -> None:
    """A whole SCRAM-SHA-256 exchange; raises if client or server does not believe the other."""
    mechanism = ScramMechanism("SCRAM-SHA-256")
    stored = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
    server = mechanism.make_server(lambda name: stored)
    client = ScramClient(["SCRAM-SHA-256"], username, password)
    server.set_client_first(client.get_client_first())
    client.set_server_first(server.get_server_first())
    server.set_client_final(client.get_client_final())
    client.set_server_final(server.get_server_final())


# -- plain logins -----------------------------------------------------------------------------


async def test_the_right_password_logs_in(directory: SqlDirectory, alice: Account) -> None:
    assert await log_in(directory, LOGIN, "wonderland") == Identity(alice.ref, LOGIN, ALICE)
    assert await log_in(directory, "ALICE@EXAMPLE.TEST", "wonderland") == Identity(alice.ref, LOGIN, ALICE)


@pytest.mark.parametrize(
    "password", ["", "Wonderland", "wonderland ", "wonderland\0", "\ud800", "x" * 100_000]
)
async def test_a_wrong_password_does_not(directory: SqlDirectory, alice: Account, password: str) -> None:
    assert await log_in(directory, LOGIN, password) == Refuse("wrong password")


async def test_an_unknown_name_is_left_to_others_and_costs_a_hash(
    directory: SqlDirectory, alice: Account, verified: list[str]
) -> None:
    for username in ("bob@example.test", "alice@elsewhere.test", "", "\0", "@", "a b@example.test"):
        assert await log_in(directory, username, "wonderland") is None
    assert len(verified) == 6
    (dummy,) = set(verified)
    ours = argon2.extract_parameters(dummy)
    await log_in(directory, LOGIN, "wrong")
    assert argon2.extract_parameters(verified[-1]) == ours


async def test_an_account_without_a_password_cannot_log_in(
    directory: SqlDirectory, verified: list[str]
) -> None:
    await directory.add_domain("example.test")
    await directory.add_account(ALICE, None)
    assert isinstance(await log_in(directory, LOGIN, ""), Refuse)
    assert len(verified) == 1
    assert await directory.scram_keys(LOGIN) is None


async def test_a_disabled_account_cannot_log_in(directory: SqlDirectory, alice: Account) -> None:
    assert await succeeds(directory, "wonderland")
    await directory.change_account(ALICE, enabled=False)
    assert await log_in(directory, LOGIN, "wonderland") == Refuse("the account is disabled")
    assert await log_in(directory, LOGIN, "wrong") == Refuse("wrong password")
    assert await directory.scram_keys(LOGIN) is None


async def test_where_there_is_one_domain_its_name_may_be_left_out(
    directory: SqlDirectory, alice: Account
) -> None:
    assert await succeeds(directory, "wonderland", "Alice")
    await directory.add_domain("another.test")
    assert await log_in(directory, "alice", "wonderland") is None


async def test_passwords_are_compared_after_saslprep(directory: SqlDirectory, alice: Account) -> None:
    await directory.set_password(ALICE, "Ma\u00adn\u0303ana\u00a0\u2168")  # RFC 4013 §3 and a combining tilde
    for spelling in ("Mañana IX", "Man\u0303ana\u2000\u2168"):
        assert await succeeds(directory, spelling)
        keys = await directory.scram_keys(LOGIN)
        assert keys is not None
        exchange(keys, LOGIN, spelling)


@pytest.mark.parametrize("password", ["bell\x07", "\u0627\u0031", "x" * 1025, "\u00ad"])
async def test_a_password_that_cannot_be_used_is_refused(
    directory: SqlDirectory, alice: Account, password: str
) -> None:
    with pytest.raises(ValueError, match="password"):
        await directory.set_password(ALICE, password)
    assert await succeeds(directory, "wonderland")


# -- what is remembered -----------------------------------------------------------------------


async def test_a_verified_login_is_not_hashed_again_for_a_minute(
    directory: SqlDirectory, scope: Any, alice: Account, verified: list[str]
) -> None:
    for _ in range(5):
        assert await succeeds(directory, "wonderland")
    assert len(verified) == 1
    assert not await succeeds(directory, "wrong")
    assert not await succeeds(directory, "wrong")
    assert len(verified) == 3
    scope.clock.now += 60
    assert await succeeds(directory, "wonderland")
    assert len(verified) == 4


@pytest.mark.parametrize(
    ("login", "password", "right"),
    [(LOGIN, "wonderland", True), (LOGIN, "x", False), ("nobody@example.test", "x", None)],
)
async def test_who_logs_in_many_times_at_once_is_hashed_once(
    directory: SqlDirectory,
    alice: Account,
    verified: list[str],
    login: str,
    password: str,
    right: bool | None,
) -> None:
    answers = await asyncio.gather(*(log_in(directory, login, password) for _ in range(20)))
    assert [isinstance(answer, Identity) for answer in answers] == [right is True] * 20
    assert [answer is None for answer in answers] == [right is None] * 20
    assert len(verified) == 1


async def test_a_new_password_holds_at_once_for_every_process(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    async with SqlDirectory(cast(Plugin, scope)) as other:
        assert await succeeds(directory, "wonderland")
        await other.set_password(ALICE, "looking glass")
        assert not await succeeds(directory, "wonderland")
        assert await succeeds(directory, "looking glass")
        await other.change_account(ALICE, enabled=False)
        assert not await succeeds(directory, "looking glass")
        await other.remove_account(ALICE)
        assert await log_in(directory, LOGIN, "looking glass") is None


async def test_only_so_many_passwords_are_hashed_at_once_and_never_on_the_loop(
    scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop_thread = threading.get_ident()
    guard = threading.Lock()
    running: set[int] = set()
    most: list[int] = []
    both = threading.Barrier(2, timeout=30)
    real = Hasher.verify

    def slow(self: Hasher, text: str, password: str, *, ours: bool) -> bool:
        assert threading.get_ident() != loop_thread
        with guard:
            running.add(threading.get_ident())
            most.append(len(running))
        both.wait()
        try:
            return real(self, text, password, ours=ours)
        finally:
            with guard:
                running.discard(threading.get_ident())

    scope.table["hash_threads"] = 2
    monkeypatch.setattr(Hasher, "verify", slow)
    async with SqlDirectory(cast(Plugin, scope)) as directory:
        await asyncio.gather(*(log_in(directory, f"user{n}@example.test", "x") for n in range(10)))
    assert max(most) == 2


# -- hashes from elsewhere --------------------------------------------------------------------


def openssl(kind: str, password: str, *options: str) -> str:
    command = ["openssl", "passwd", f"-{kind}", *options, "-stdin"]
    return subprocess.run(command, input=password, capture_output=True, text=True, check=True).stdout.strip()


def made_elsewhere(kind: str, password: str) -> str:
    """A hash of the password as other servers keep it."""
    if kind.startswith("sha-crypt"):
        return kind.partition(" ")[2] + openssl("5" if "256" in kind else "6", password)
    if kind.startswith("bcrypt"):
        prefix = kind.partition(" ")[2]
        return prefix + bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().removeprefix("$2b")
    if kind.startswith("argon2"):
        hasher = argon2.PasswordHasher(time_cost=1, memory_cost=2048, parallelism=2)
        return kind.partition(" ")[2] + hasher.hash(password)
    scheme, algorithm, salt = kind.split()
    raw = hashlib.new(algorithm, password.encode() + salt.encode()).digest() + salt.encode()
    return f"{{{scheme}}}{base64.b64encode(raw).decode()}"


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the hashes")


@needs_openssl
@pytest.mark.parametrize(
    "kind",
    [
        "sha-crypt-512 ",
        "sha-crypt-256 ",
        "sha-crypt-512 {SHA512-CRYPT}",
        "sha-crypt-512 {CRYPT}",
        "bcrypt $2b",
        "bcrypt $2y",
        "bcrypt {BLF-CRYPT}$2y",
        "argon2 ",
        "argon2 {ARGON2ID}",
        "SSHA sha1 1234",
        "SSHA256 sha256 12345678",
        "ssha512 sha512 1234567890123456",
    ],
)
@pytest.mark.parametrize("password", ["wonderland", "Wünderland"])
async def test_a_hash_from_elsewhere_is_replaced_at_the_first_login(
    directory: SqlDirectory, kind: str, password: str
) -> None:
    foreign = made_elsewhere(kind, password)
    await directory.add_domain("example.test")
    await directory.add_account(ALICE, None, password_hash=foreign)
    assert await directory.scram_keys(LOGIN) is None
    assert not await succeeds(directory, "wrong")
    assert await directory.scram_keys(LOGIN) is None
    assert await succeeds(directory, password)
    keys = await directory.scram_keys(LOGIN)
    assert keys is not None
    exchange(keys, LOGIN, password)
    assert await succeeds(directory, password)
    assert not await succeeds(directory, "wrong")


async def test_a_digest_without_salt_is_verified_too(directory: SqlDirectory) -> None:
    await directory.add_domain("example.test")
    raw = base64.b64encode(hashlib.sha256(b"wonderland").digest()).decode()
    await directory.add_account(ALICE, None, password_hash="{SHA256}" + raw)
    assert not await succeeds(directory, "wrong")
    assert await succeeds(directory, "wonderland")


@needs_openssl
@pytest.mark.parametrize("length", [1, 8, 15, 16, 31, 32, 33, 63, 64, 65, 127, 200])
@pytest.mark.parametrize("kind", ["5", "6"])
def test_sha_crypt_agrees_with_openssl(kind: str, length: int) -> None:
    password = "pässwort"[: length % 9] + "x" * length
    text = openssl(kind, password)
    assert shacrypt.is_shacrypt(text)
    assert shacrypt.verify(password.encode(), text)
    assert not shacrypt.verify(password.encode() + b"y", text)


@needs_openssl
@pytest.mark.parametrize("rounds", [1000, 1001, 12_345])
@pytest.mark.parametrize("kind", ["5", "6"])
def test_sha_crypt_honours_rounds(kind: str, rounds: int) -> None:
    text = openssl(kind, "wonderland", "-salt", f"rounds={rounds}$salt")
    assert f"rounds={rounds}$" in text
    assert shacrypt.verify(b"wonderland", text)
    assert not shacrypt.verify(b"wonderland", text.replace(f"={rounds}$", f"={rounds + 1}$"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wonderland",
        "{PLAIN}wonderland",
        "{SSHA}wonderland",
        "{SSHA}" + base64.b64encode(b"x" * 20).decode(),
        "{SHA}" + base64.b64encode(b"x" * 24).decode(),
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$salt$tooshort",
        "$6$rounds=999999999$salt$" + "a" * 86,
        "$2b$31$" + "a" * 53,
        "$2b$10$short",
        "$argon2id$v=19$m=65536",
        "\0",
    ],
)
async def test_a_hash_that_could_never_be_verified_is_refused(directory: SqlDirectory, text: str) -> None:
    await directory.add_domain("example.test")
    with pytest.raises(ValueError, match="no kind that can be verified"):
        await directory.add_account(ALICE, None, password_hash=text)
    assert await directory.account(LOGIN) is None


async def test_password_and_hash_together_are_refused(directory: SqlDirectory) -> None:
    await directory.add_domain("example.test")
    with pytest.raises(ValueError, match="not both"):
        await directory.add_account(ALICE, "x", password_hash="{SSHA}x")


async def test_a_hash_at_another_cost_is_renewed(directory: SqlDirectory, scope: Any, alice: Account) -> None:
    scope.table["hash_passes"] = 2
    async with SqlDirectory(cast(Plugin, scope)) as stronger:
        assert await succeeds(stronger, "wonderland")
        assert await succeeds(stronger, "wonderland")
    async with SqlDirectory(cast(Plugin, scope)) as again:
        credential = await again._credential(LOGIN)
        assert credential is not None
        assert credential.password_hash is not None
        assert argon2.extract_parameters(credential.password_hash).time_cost == 2


@needs_openssl
async def test_a_login_does_not_depend_on_the_renewed_hash(
    directory: SqlDirectory, scope: Any, tables: Any
) -> None:
    await directory.add_domain("example.test")
    await directory.add_account(ALICE, None, password_hash=openssl("6", "wonderland"))
    tables.writable = False
    assert await succeeds(directory, "wonderland")
    assert scope.log.lines == [("hash not renewed", {"account": LOGIN, "reason": "the disk is full"})]


@needs_openssl
async def test_a_foreign_password_that_scram_cannot_have_still_logs_in(
    directory: SqlDirectory, scope: Any
) -> None:
    await directory.add_domain("example.test")
    await directory.add_account(ALICE, None, password_hash=openssl("6", "unassigned \U0001f600"))
    assert await succeeds(directory, "unassigned \U0001f600")
    assert await directory.scram_keys(LOGIN) is None
    assert [event for event, _ in scope.log.lines] == ["hash not renewed"]


# -- SCRAM and the hooks ----------------------------------------------------------------------


async def test_scram_keys_are_those_of_the_password(directory: SqlDirectory, alice: Account) -> None:
    keys = await directory.scram_keys("Alice@example.test")
    assert keys is not None
    assert keys.identity == Identity(alice.ref, LOGIN, ALICE)
    assert keys.iterations >= 4096  # RFC 7677 §4
    exchange(keys, LOGIN, "wonderland")
    with pytest.raises(Exception, match="proof"):
        exchange(keys, LOGIN, "wrong")
    await directory.set_password(ALICE, "looking glass")
    changed = await directory.scram_keys(LOGIN)
    assert changed is not None
    assert changed.salt != keys.salt
    exchange(changed, LOGIN, "looking glass")
    assert await directory.scram_keys("bob@example.test") is None


async def test_the_hooks_ask_the_directory_of_their_scope(
    directory: SqlDirectory, scope: Any, alice: Account
) -> None:
    plugin = cast(Plugin, scope)
    assert plugin.stash[DIRECTORY] is directory
    assert isinstance(await authenticate(plugin, SESSION, Password(LOGIN, "wonderland")), Identity)
    assert isinstance(await authenticate(plugin, SESSION, Password(LOGIN, "wrong")), Refuse)
    assert await authenticate(plugin, SESSION, Password("bob@example.test", "wrong")) is None
    assert await authenticate(plugin, SESSION, Bearer(LOGIN, "token")) is None
    assert isinstance(await resolve_scram_keys(plugin, LOGIN), ScramKeys)
    assert await resolve_scram_keys(plugin, "bob@example.test") is None


def test_nothing_secret_is_in_a_repr() -> None:
    made = Hasher(memory_kib=1024, passes=1).make("wonderland")
    assert made.password_hash is not None
    assert made.password_hash not in repr(made)
