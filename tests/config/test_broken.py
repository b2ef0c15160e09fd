"""Broken configurations: each fault with its file, line, key, reason and nearest right name."""

from pathlib import Path

import pytest

from hub.config.errors import ConfigError, ConfigErrors
from hub.config.load import load

LISTENER = '[listeners.mx]\nprotocol = "smtp"\nbind = ["127.0.0.1:25"]\n'

TOML = {
    "unknown key": ("[smtp]\nmax_sizes = 1\n", 2, "smtp.max_sizes", "unknown key. Did you mean 'max_size'?"),
    "key of another style": (
        "[hub]\ndata-dir = 'x'\n", 2, "hub.data-dir", "unknown key. Did you mean 'data_dir'?",
    ),
    "unknown table": ("\n\n[smpt]\n", 3, "smpt", "unknown key. Did you mean 'smtp'?"),
    "misspelt plugins": ("[plugin.x]\n", 1, "plugin", "unknown key. Did you mean 'plugins'?"),
    "unknown key without a likeness": (
        "[log]\nzzz = 1\n", 2, "log.zzz", "unknown key. It can be: format, level.",
    ),
    "value of the wrong type": (
        "[smtp]\n\nmax_recipients = 'many'\n", 3, "smtp.max_recipients", "should be a valid integer",
    ),
    "true is no number": ("[hub]\nworkers = true\n", 2, "hub.workers", "should be a valid integer"),
    "a text is no flag": ("[trace]\nenabled = 'no'\n", 2, "trace.enabled", "should be a valid boolean"),
    "number too small": ("[hub]\nworkers = 0\n", 2, "hub.workers", "should be greater than or equal to 1"),
    "table that is a value": ("smtp = 5\n", 1, "smtp", "should be a table"),
    "value that is a table": ("[hub.hostname]\nx = 1\n", 1, "hub.hostname", "should be a valid string"),
    "wrong choice": (
        "[log]\nformat = 'jsn'\n", 2, "log.format", "should be 'console' or 'json'. Did you mean 'json'?",
    ),
    "wrong protocol": (
        '[listeners.mx]\nbind = ["127.0.0.1:25"]\nprotocol = "stmp"\n', 3, "listeners.mx.protocol",
        "should be 'smtp', 'submission', 'submissions', 'imap' or 'imaps'. Did you mean 'smtp'?",
    ),
    "wrong size": (
        "[smtp]\nmax_size = '25 miles'\n", 2, "smtp.max_size",
        'should be a size: bytes, or a text such as "25MB" or "64KiB"',
    ),
    "wrong duration": (
        "[imap]\ntimeout = -1\n", 2, "imap.timeout", "should be a duration between 0 and 100 years",
    ),
    "wrong address, on its own line": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = [\n  '127.0.0.1:25', # fine\n  '127.0.0.1',\n]\n",
        5, "listeners.mx.bind[1]", 'should be host and port, such as "127.0.0.1:2525" or "[::]:25"',
    ),
    "port too high": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = ['127.0.0.1:65536']\n", 3, "listeners.mx.bind[0]",
        'should be host and port, such as "127.0.0.1:2525" or "[::]:25"',
    ),
    "address that is no address": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = ['127.0.0.256:25']\n", 3, "listeners.mx.bind[0]",
        "has no valid IP address in '127.0.0.256:25'",
    ),
    "IPv6 address without brackets": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = ['::1:25']\n", 3, "listeners.mx.bind[0]",
        'should have its IPv6 address in brackets: "[::1]:25"',
    ),
    "address not in a list": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = '127.0.0.1:25'\n", 3, "listeners.mx.bind",
        "should be a list",
    ),
    "listener without addresses": (
        "[listeners.mx]\nprotocol = 'smtp'\nbind = []\n", 3, "listeners.mx.bind",
        "should have at least one address",
    ),
    "missing key, at the table's line": (
        "\n[listeners.mx]\nprotocol = 'smtp'\n", 2, "listeners.mx.bind", "is required",
    ),
    "name of a listener": (
        "[listeners.MX]\nprotocol = 'smtp'\nbind = ['127.0.0.1:25']\n", 1, "listeners.MX",
        "is no name for a listener: lower case, digits and hyphens, such as 'smtp-lan'",
    ),
    "two listeners on one address": (
        LISTENER + "[listeners.sub]\nprotocol = 'submission'\nbind = ['127.0.0.1:25']\n", 6,
        "listeners.sub.bind[0]", "is the same address that 'mx' listens on",
    ),
    "TLS without a certificate": (
        LISTENER + "tls = 'starttls'\n", 4, "listeners.mx.tls",
        "needs a certificate: set tls.certificate and tls.key",
    ),
    "implicit TLS on a protocol without": (
        "[listeners.in]\nprotocol = 'imap'\nbind = ['127.0.0.1:1']\ntls = 'implicit'\n", 1, "listeners.in",
        'has tls = "implicit", but imap begins without TLS; use the protocol imaps',
    ),
    "no TLS on a protocol with it": (
        "[listeners.in]\nprotocol = 'imaps'\nbind = ['127.0.0.1:1']\ntls = 'none'\n", 1, "listeners.in",
        'has tls = "none", but imaps begins with TLS',
    ),
    "certificate without a key": (
        "[tls]\ncertificate = 'c.pem'\n", 1, "tls", "has a certificate but no key; both belong together",
    ),
    "scores in the wrong order": (
        "[checks]\njunk_score = 20\n", 1, "checks",
        "has a reject_score below its junk_score, so nothing would ever be junk",
    ),
    "score that is no number": (
        "[checks]\njunk_score = nan\n", 2, "checks.junk_score", "should be a finite number",
    ),
    "name of a plugin": (
        "[hub]\nplugins = ['clamav', 'deny_list']\n", 2, "hub.plugins[1]",
        "should be the name of a plugin: lower case, digits and hyphens, such as 'deny-list'",
    ),
    "plugin listed twice": (
        "[hub]\nplugins = ['clamav', '!clamav']\n", 2, "hub.plugins", "names 'clamav' twice",
    ),
    "hostname": (
        "[hub]\nhostname = 'mail example'\n", 2, "hub.hostname",
        "should be a domain name, such as 'mail.example.org'",
    ),
    "options of a plugin": (
        "[plugins.clamav.hub]\non_fail = 'skip'\n", 2, "plugins.clamav.hub.on_fail",
        "unknown key. Did you mean 'on_failure'?",
    ),
    "options of a plugin that are a value": (
        "[plugins.clamav]\nhub = 1\n", 2, "plugins.clamav.hub", "should be a table",
    ),
    "plugin that is a value": ("[plugins]\nclamav = 1\n", 2, "plugins.clamav", "should be a table"),
    "plugins that are a value": ("plugins = []\n", 1, "plugins", "should be a table"),
    "not TOML": ("[smtp]\nmax_size = \n", 2, "", "is not TOML: invalid value at column 12"),
    "TOML that ends too early": (
        "[smtp]\nx = '''\n\n", 4, "", "is not TOML: expected \"'''\" at the end of the file",
    ),
    "table twice": (
        "[smtp]\n[log]\n[smtp]\n", 3, "", "is not TOML: cannot declare ('smtp',) twice at column 6",
    ),
    "include that is no list": (
        "include = 'x'\n", 1, "include",
        'should be a list of file names or patterns, such as ["conf.d/*.toml"]',
    ),
    "include that is not there": (
        "include = [\n'a.toml']\n", 2, "include[0]", "there is no file a.toml",
    ),
    "scheme of a secret": (
        "[plugins.x]\npassword = 'secret://envv/PASSWORD'\n", 2, "plugins.x.password",
        "secret://envv/PASSWORD has an unknown scheme 'envv'. Did you mean 'env'?",
    ),
    "secret that is not there": (
        "[plugins.x]\npassword = ['secret://env/PASSWORD']\n", 2, "plugins.x.password[0]",
        "secret://env/PASSWORD cannot be read: the environment has no such variable",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "reason"), TOML.values(), ids=TOML)
def test_a_fault_is_said_with_its_place_and_what_would_be_right(
    tmp_path: Path, text: str, line: int, key: str, reason: str
) -> None:
    (tmp_path / "hub.toml").write_text(text)
    with pytest.raises(ConfigErrors) as raised:
        load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    place = f"hub.toml:{line}: " + (f"{key}: " if key else "")
    assert str(raised.value) == place + reason


def test_all_faults_of_a_file_are_said_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = "[smtp]\nmax_sizes = 1\ntimeout = 'x'\n[hubb]\n[plugins.a.hub]\ntimeout = 0\n[log]\nlevel = 3\n"
    (tmp_path / "hub.toml").write_text(text)
    with pytest.raises(ConfigErrors) as raised:
        load(environ={"HOME": str(tmp_path), "HUB__HUB__WORKERS": "many"}, cwd=tmp_path)
    assert [(error.file, error.line, error.key) for error in raised.value.errors] == [
        ("$HUB__HUB__WORKERS", None, "hub.workers"),
        ("hub.toml", 2, "smtp.max_sizes"),
        ("hub.toml", 3, "smtp.timeout"),
        ("hub.toml", 4, "hubb"),
        ("hub.toml", 6, "plugins.a.hub.timeout"),
        ("hub.toml", 8, "log.level"),
    ]


def test_an_error_has_only_the_parts_that_it_knows() -> None:
    assert str(ConfigError("hub.toml", 3, "smtp.x", "unknown key")) == "hub.toml:3: smtp.x: unknown key"
    assert str(ConfigError("hub.toml", None, "", "is UTF-16", "Save it.")) == "hub.toml: is UTF-16. Save it."
    assert str(ConfigError("", None, "tls", "is wrong")) == "tls: is wrong"


def test_what_a_file_says_cannot_break_the_line_of_its_error() -> None:
    error = ConfigError("hub.toml", 1, "plugins.x", "secret://env/a\nhub.toml:2: fine\x1b[2J is empty")
    assert str(error) == "hub.toml:1: plugins.x: secret://env/a\\x0ahub.toml:2: fine\\x1b[2J is empty"


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"[smtp]\n# caf\xe9\n", 2, "byte 0xe9 at column 6 is not UTF-8. Save the file as UTF-8."),
        ("[smtp]".encode("utf-16"), 1, "is UTF-16. Save it as UTF-8."),
        (b"#" * ((1 << 20) + 1), None, "is larger than 1048576 bytes, so it is hardly a configuration"),
        (b"x = " + b"[" * 60_000, None, "is nested too deeply"),
        (b"x" + b".x" * 100 + b" = 1", None, "has tables nested more than 24 deep"),
    ],
    ids=["latin-1", "utf-16", "size", "lists", "dotted"],
)
def test_what_is_no_configuration_at_all_is_refused(
    tmp_path: Path, data: bytes, line: int | None, reason: str
) -> None:
    (tmp_path / "hub.toml").write_bytes(data)
    with pytest.raises(ConfigErrors) as raised:
        load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert str(raised.value) == ("hub.toml: " if line is None else f"hub.toml:{line}: ") + reason


def test_a_number_that_no_one_can_mean_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text("x = " + "9" * 5000)
    with pytest.raises(ConfigErrors, match=r"^hub\.toml: has a value that cannot be read"):
        load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_bytes(b"\xef\xbb\xbf[smtp]\nmax_size = 7\n")
    assert load(environ={"HOME": str(tmp_path)}, cwd=tmp_path).settings.smtp.max_size == 7
