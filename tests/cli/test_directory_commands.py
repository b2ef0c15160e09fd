"""`hub domain | account | alias`, as operators and scripts use them, on the installed directory."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner, Result

from hub.cli.main import main
from hub.cli.opening import services
from hub.config.load import Config, load
from hub.mail.address import Address
from hub.mail.login import Identity, Password
from hub.services.directory import Resolution
from hub.testing.running import CHEAP_HASHES

ALICE = Address("alice", "example.test")
DRIVER = Path(__file__).parents[2] / "examples" / "driver"
Run = Callable[..., Result]


def configured(folder: Path) -> Path:
    """A configuration that keeps its data beside itself, with passwords that are no secrets."""
    path = folder / "hub.toml"
    cheap = "".join(f"{key} = {value}\n" for key, value in CHEAP_HASHES.items())
    path.write_text(f'[hub]\ndata_dir = "{folder / "data"}"\n[plugins.directory-sql]\n{cheap}')
    return path


def running(path: Path) -> Run:
    return lambda *words, text=None: CliRunner().invoke(main, ["--config", str(path), *words], input=text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return configured(tmp_path)


@pytest.fixture
def config(path: Path) -> Config:
    return load(path)


@pytest.fixture
def run(path: Path) -> Run:
    """Run `hub …`; what it prints is in `output`, `stdout` and `stderr`."""
    return running(path)


@pytest.fixture(scope="module")
def with_alice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data in which she is: making her takes as long as what most tests do."""
    folder = tmp_path_factory.mktemp("alice")
    run = running(configured(folder))
    assert run("domain", "add", "example.test").exit_code == 0
    assert run("account", "add", str(ALICE), "--password-stdin", text="wonderland\n").exit_code == 0
    return folder / "data"


@pytest.fixture
def alice(path: Path, with_alice: Path) -> None:
    shutil.copytree(with_alice, path.parent / "data")


def logs_in(config: Config, password: str) -> bool:
    """Whether the installed directory lets alice in."""

    async def work() -> bool:
        async with services(config) as opened:
            authenticate = opened.directory.authenticate  # type: ignore[attr-defined]  # of directory-sql
            return isinstance(await authenticate(Password(str(ALICE), password), "imap"), Identity)

    return asyncio.run(work())


def resolved(config: Config, address: Address) -> Resolution | None:
    async def work() -> Resolution | None:
        async with services(config) as opened:
            return await opened.directory.resolve(address)

    return asyncio.run(work())


def refused(result: Result) -> str:
    """The one sentence of a verb that failed."""
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("Error: ").rstrip("\n")


# -- domains ----------------------------------------------------------------------------------


def test_domains_are_added_listed_and_removed(run: Run) -> None:
    assert "There are no domains yet" in run("domain", "list").output
    assert run("domain", "add", "Example.test").exit_code == 0
    assert run("domain", "add", "another.test", "--tenant", "acme").exit_code == 0
    listed = run("domain", "list").output
    assert "example.test" in listed
    assert "acme" in listed
    assert json.loads(run("domain", "list", "--json").output) == [
        {"domain": "another.test", "tenant": "acme"},
        {"domain": "example.test", "tenant": "default"},
    ]
    assert run("domain", "remove", "another.test").exit_code == 0
    assert [row["domain"] for row in json.loads(run("domain", "list", "--json").output)] == ["example.test"]


def test_a_domain_in_use_is_not_removed(run: Run, alice: None) -> None:
    assert "hub account remove alice@example.test" in refused(run("domain", "remove", "example.test"))


@pytest.mark.parametrize("domain", ["no domain", "x-.test", ""])
def test_what_is_no_domain_is_refused(run: Run, domain: str) -> None:
    refused(run("domain", "add", domain))


# -- accounts ---------------------------------------------------------------------------------


def test_an_account_in_an_unknown_domain_says_how_to_add_it(run: Run) -> None:
    result = run("account", "add", "alice@example.test")
    assert refused(result) == (
        "example.test is not a domain of this hub; add it with: hub domain add example.test"
    )


def test_a_password_comes_from_the_input(run: Run, config: Config, alice: None) -> None:
    assert logs_in(config, "wonderland")
    assert run("account", "passwd", str(ALICE), "--password-stdin", text="looking glass\r\n").exit_code == 0
    assert not logs_in(config, "wonderland")
    assert logs_in(config, "looking glass")
    assert "no password" in refused(run("account", "passwd", str(ALICE), "--password-stdin", text="\n"))


def test_a_password_is_made_and_printed_once(run: Run, config: Config) -> None:
    run("domain", "add", "example.test")
    output = run("account", "add", str(ALICE), "--generate").output
    assert logs_in(config, output.split("Password: ")[1].strip())
    again = run("account", "passwd", str(ALICE), "--generate").output
    assert logs_in(config, again.split("Password: ")[1].strip())
    assert again.split("Password: ")[1] != output.split("Password: ")[1]


def test_a_password_is_asked_for_twice_and_not_shown(run: Run, config: Config) -> None:
    run("domain", "add", "example.test")
    result = run("account", "add", str(ALICE), text="wonderland\nwonderland\n")
    assert result.exit_code == 0
    assert "wonderland" not in result.output
    assert logs_in(config, "wonderland")


def test_a_hash_from_elsewhere_is_taken(run: Run, config: Config) -> None:
    run("domain", "add", "example.test")
    assert "no kind that can be verified" in refused(run("account", "add", str(ALICE), "--hash", "x"))
    text = "{SSHA}lQD9NqIYlAHbZVqOyxYzOi3uNlYBAgME"  # of "wonderland" and the salt 1 2 3 4
    assert run("account", "add", str(ALICE), "--hash", text).exit_code == 0
    assert logs_in(config, "wonderland")
    assert not logs_in(config, text)


def test_one_source_of_a_password_is_enough(run: Run) -> None:
    assert run("account", "add", str(ALICE), "--generate", "--hash", "x").exit_code == 2
    assert run("account", "passwd", str(ALICE), "--generate", "--password-stdin").exit_code == 2


def test_accounts_are_changed_and_listed(run: Run, alice: None) -> None:
    changed = run("account", "set", str(ALICE), "--quota", "1.5GB", "--name", "Alice [b]", "--disable")
    assert changed.exit_code == 0
    listed = run("account", "list").output
    for text in ("alice@example.test", "Alice [b]", "1.5 GB", "disabled"):
        assert text in listed
        assert text in changed.output
    (row,) = json.loads(run("account", "list", "example.test", "--json").output)
    assert (row["address"], row["quota"], row["enabled"]) == ("alice@example.test", 1_500_000_000, False)
    limited = run("account", "set", str(ALICE), "--message-quota", "20")
    assert "quota 1.5 GB, 20 messages" in limited.output
    assert run("account", "set", str(ALICE), "--message-quota", "0").exit_code == 0
    assert run("account", "set", str(ALICE), "--enable", "--quota", "0").exit_code == 0
    (row,) = json.loads(run("account", "list", "--json").output)
    assert (row["name"], row["quota"], row["enabled"]) == ("Alice [b]", None, True)
    assert run("account", "set", str(ALICE)).exit_code == 2


def test_an_account_is_removed_when_that_is_confirmed(run: Run, alice: None) -> None:
    assert run("account", "remove", str(ALICE), text="n\n").exit_code == 1
    assert str(ALICE) in run("account", "list").output
    assert run("account", "remove", str(ALICE), "--yes").exit_code == 0
    assert "There are no accounts" in run("account", "list").output


def test_a_misspelt_account_is_named_with_the_nearest(run: Run, alice: None) -> None:
    assert "Did you mean alice@example.test?" in refused(
        run("account", "remove", "alcie@example.test", "--yes")
    )
    assert "alcie@example.test" in refused(run("account", "passwd", "alcie@example.test", "--generate"))
    assert "unknown.test" in refused(run("account", "list", "unknown.test"))


@pytest.mark.parametrize("address", ["alice", "alice@", "a b@example.test", "postmaster"])
def test_what_is_no_address_is_refused_with_the_reason(run: Run, address: str) -> None:
    result = run("account", "add", address)
    assert result.exit_code == 2
    assert "is not an address: " in result.stderr


def test_a_size_is_refused_with_how_to_write_it(run: Run) -> None:
    result = run("account", "set", str(ALICE), "--quota", "much")
    assert result.exit_code == 2
    assert "25MB" in result.stderr


# -- aliases ----------------------------------------------------------------------------------


def test_aliases_are_added_listed_and_removed(run: Run, config: Config, alice: None) -> None:
    assert "There are no aliases" in run("alias", "list").output
    assert run("alias", "add", "sales@example.test", str(ALICE), "x@elsewhere.test").exit_code == 0
    assert run("alias", "add", "*@example.test", str(ALICE)).exit_code == 0
    listed = run("alias", "list").output
    for text in ("sales@example.test", "*@example.test", "x@elsewhere.test"):
        assert text in listed
    assert json.loads(run("alias", "list", "--json").output) == [
        {"address": "*@example.test", "targets": ["alice@example.test"]},
        {"address": "sales@example.test", "targets": ["alice@example.test", "x@elsewhere.test"]},
    ]
    assert resolved(config, Address("sales", "example.test")) is not None
    assert run("alias", "remove", "sales@example.test").exit_code == 0
    assert run("alias", "remove", "*@example.test").exit_code == 0
    assert resolved(config, Address("sales", "example.test")) is None
    assert "no alias sales@example.test" in refused(run("alias", "remove", "sales@example.test"))


def test_an_alias_in_place_of_an_account_is_refused(run: Run, alice: None) -> None:
    assert "there is an account" in refused(run("alias", "add", str(ALICE), "x@elsewhere.test"))


def test_a_driver_in_a_watched_folder_is_opened_and_one_that_cannot_be_changed_says_so(
    path: Path, tmp_path: Path, run: Run
) -> None:
    folder = tmp_path / "plugins.d"
    folder.mkdir(mode=0o700)
    shutil.copytree(DRIVER, folder / "driver", ignore=shutil.ignore_patterns("tests"))
    (folder / "other.py").write_text(
        '"""Would be imported if it were started."""\nraise RuntimeError("other")\n'
    )
    path.write_text(
        f'[hub]\ndata_dir = "{tmp_path / "data"}"\nplugin_dirs = ["{folder}"]\n'
        '[services]\ndirectory = "directory-table"\n'
        '[plugins.directory-table.accounts]\n"alice@example.test" = "secret"\n'
    )
    result = run("account", "list")
    assert result.exit_code == 1
    assert "the directory 'directory-table' is read-only here" in result.output
    assert run("queue", "list").output == "The queue is empty.\n"
    assert "keeps neither app passwords" in refused(run("account", "app-password", "list", str(ALICE)))


# -- app passwords and codes ------------------------------------------------------------------


@pytest.mark.proves("authentication: app passwords, each for one program and for what it may do")
def test_an_app_password_is_shown_once_listed_and_removed(run: Run, config: Config, alice: None) -> None:
    made = run("account", "app-password", "add", str(ALICE), "Phone", "--scope", "imap")
    password = made.stdout.strip()
    assert "the app password 'Phone' of alice@example.test, for imap" in made.stderr
    assert logs_in(config, password)
    assert logs_in(config, "wonderland")
    listed = run("account", "app-password", "list", str(ALICE))
    assert "Phone" in listed.output
    assert password not in listed.output
    (facts,) = json.loads(run("account", "app-password", "list", str(ALICE), "--json").output)
    assert (facts["name"], facts["scopes"]) == ("Phone", ["imap"])
    assert facts["used"] >= facts["created"]
    taken = run("account", "app-password", "add", str(ALICE), "Phone")
    assert "there is an app password 'Phone' already" in refused(taken)
    assert run("account", "app-password", "remove", str(ALICE), "Phone").exit_code == 0
    assert not logs_in(config, password)
    assert "no app password 'Phone'" in refused(run("account", "app-password", "remove", str(ALICE), "Phone"))
    assert "no app passwords" in run("account", "app-password", "list", str(ALICE)).output
    assert "there is no account bob" in refused(run("account", "app-password", "list", "bob@example.test"))


@pytest.mark.proves("authentication: with TOTP a password takes the code of an authenticator, each code once")
def test_totp_is_enabled_with_a_code_and_disabled(run: Run, config: Config, alice: None) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    wrong = run("account", "totp", "enable", str(ALICE), "--secret", secret, text="nonsense\n")
    assert wrong.exit_code == 1
    assert "not the code of this moment" in wrong.stderr
    assert logs_in(config, "wonderland")
    code = pyotp.TOTP(secret).now()
    enabled = run("account", "totp", "enable", str(ALICE), "--secret", secret, text=f"{code}\n")
    assert enabled.exit_code == 0, enabled.output
    assert f"Secret: {secret}\notpauth://totp/" in enabled.stdout
    assert not logs_in(config, "wonderland")
    assert not logs_in(config, f"wonderland{code}"), "it was used when TOTP was enabled"
    assert logs_in(config, f"wonderland{pyotp.TOTP(secret).at(time.time() + 30)}")
    assert run("account", "totp", "disable", str(ALICE)).exit_code == 0
    assert logs_in(config, "wonderland")
    assert "has no TOTP" in refused(run("account", "totp", "disable", str(ALICE)))
