"""Broken configurations: each fault with its file, line, key, reason and nearest right name."""

import os
from pathlib import Path

import pytest

from hub.config.errors import ConfigError, ConfigErrors
from hub.config.load import load

LISTENER = '[listeners.mx]\nprotocol = "smtp"\nbind = ["127.0.0.1:25"]\n'

TOML = {
    "share of a listener that is not there": (
        LISTENER + "[trace.sampling.listeners]\nxm = 0.5\n", 5, "trace.sampling.listeners.xm",
        "is no listener; there are: mx",
    ),
    "share": (
        "[trace.sampling]\nratio = 2\n", 2, "trace.sampling.ratio", "should be less than or equal to 1",
    ),
    "unknown key": ("[smtp]\nmax_sizes = 1\n", 2, "smtp.max_sizes", "unknown key. Did you mean 'max_size'?"),
    "key of another style": (
        "[hub]\ndata-dir = 'x'\n", 2, "hub.data-dir", "unknown key. Did you mean 'data_dir'?",
    ),
    "unknown table": ("\n\n[smpt]\n", 3, "smpt", "unknown key. Did you mean 'smtp'?"),
    "misspelt plugins": ("[plugin.x]\n", 1, "plugin", "unknown key. Did you mean 'plugins'?"),
    "unknown key without a likeness": (
        "[log]\nzzz = 1\n", 2, "log.zzz", "unknown key. It can be: addresses, format, level.",
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
    "no name of a protocol": (
        '[listeners.mx]\nbind = ["127.0.0.1:25"]\nprotocol = "SMTP!"\n', 3, "listeners.mx.protocol",
        "is no name of a protocol: lower case, digits and hyphens, such as 'imap'",
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
        (b"x" + b".x" * 100 + b" = 1", 1, "has tables nested more than 24 deep"),
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


FAULTS_OF_FILES: dict[str, tuple[dict[str, bytes], str]] = {
    "a file that includes itself": (
        {"hub.toml": b'\ninclude = ["hub.toml"]'},
        "hub.toml:2: include: the includes go round in a circle: hub.toml → hub.toml",
    ),
    "files that include each other": (
        {
            "hub.toml": b'include = ["conf.d/*"]',
            "conf.d/a.toml": b"[smtp]\n\n[log]\n",
            "conf.d/b.toml": b'\ninclude = ["../hub.toml"]',
        },
        "conf.d/b.toml:2: include: the includes go round in a circle: "
        "hub.toml → conf.d/b.toml → conf.d/../hub.toml",
    ),
    "a circle through another format": (
        {"hub.yaml": b"include:\n  - a.toml\n", "a.toml": b'include = ["hub.yaml"]'},
        "a.toml:1: include: the includes go round in a circle: hub.yaml → a.toml → hub.yaml",
    ),
    "a typo in an included file": (
        {"hub.toml": b'include = ["a.yaml"]', "a.yaml": b"smtp:\n  max_sizes: 1\n"},
        "a.yaml:2: smtp.max_sizes: unknown key. Did you mean 'max_size'?",
    ),
    "latin-1 in an included file": (
        {"hub.toml": b'include = ["a.toml"]', "a.toml": b"\n\n# na\xefve\n"},
        "a.toml:3: byte 0xef at column 5 is not UTF-8. Save the file as UTF-8.",
    ),
    "YAML in UTF-16": (
        {"hub.yaml": "smtp:\n".encode("utf-16")}, "hub.yaml:1: is UTF-16. Save it as UTF-8.",
    ),
    "YAML in latin-1": (
        {"hub.yaml": b"hub:\n  hostname: caf\xe9\n"},
        "hub.yaml:2: byte 0xe9 at column 16 is not UTF-8. Save the file as UTF-8.",
    ),
    "a null byte": ({"hub.toml": b"[smtp]\nmax_size = 1\0\n"}, "hub.toml:2: is not TOML: "),
    "no is no flag in YAML": (
        {"hub.yaml": b"trace:\n  enabled: no\n"}, "hub.yaml:2: trace.enabled: should be a valid boolean",
    ),
    "octal is no number in YAML": (
        {"hub.yaml": b"hub:\n  workers: 010\n"}, "hub.yaml:2: hub.workers: should be a valid integer",
    ),
    "sexagesimal is no number in YAML": (
        {"hub.yaml": b"smtp:\n  max_recipients: 1:30\n"},
        "hub.yaml:2: smtp.max_recipients: should be a valid integer",
    ),
    "a date is no name in YAML": (
        {"hub.yaml": b"hub:\n  plugins: [2026-01-02T03:04:05]\n"},
        "hub.yaml:2: hub.plugins[0]: should be the name of a plugin: lower case, digits and hyphens",
    ),
    "an anchor bomb in YAML": (
        {"hub.yaml": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"},
        "hub.yaml:1: has an anchor (&a). Write the value out where it is used.",
    ),
    "a merge key in YAML": (
        {"hub.yaml": b"smtp:\n  <<: *limits\n"},
        "hub.yaml:2: smtp: has an alias (*limits). Write the value out.",
    ),
    "a table twice in YAML": (
        {"hub.yaml": b"smtp:\n  max_size: 1\nlog:\nsmtp:\n"},
        "hub.yaml:4: 'smtp' is there twice, first on line 1",
    ),
    "a tab in YAML": (
        {"hub.yaml": b"smtp:\n\tmax_size: 1\n"}, "hub.yaml:2: is not YAML: found character '\\t'",
    ),
    "a tag in YAML": (
        {"hub.yaml": b"hub: !!python/object/apply:os.abort []\n"},
        "hub.yaml:1: has a tag (tag:yaml.org,2002:python",
    ),
    "two formats": ({"hub.toml": b"", "hub.yml": b""}, ": hub.toml and hub.yml stand beside each other."),
    "a secret that is not there": (
        {"hub.toml": b'[plugins.x]\npassword = "secret://file/./gone"'},
        "hub.toml:2: plugins.x.password: secret://file/./gone cannot be read: No such file or directory",
    ),
    "a secret that is a folder": (
        {"hub.toml": b'[plugins.x]\npassword = "secret://file/./conf.d"', "conf.d/x": b""},
        "hub.toml:2: plugins.x.password: secret://file/./conf.d cannot be read: ",
    ),
    "a secret that is empty": (
        {"hub.toml": b'[plugins.x]\npassword = "secret://file/./empty"', "empty": b"\n"},
        "hub.toml:2: plugins.x.password: secret://file/./empty is empty",
    ),
    "a secret that is no text": (
        {"hub.toml": b'[plugins.x]\npassword = "secret://file/./key"', "key": b"\xff\xfe\x00"},
        "hub.toml:2: plugins.x.password: secret://file/./key cannot be read: ",
    ),
    "a secret in an included file": (
        {"hub.toml": b'include = ["conf.d/a.toml"]', "conf.d/a.toml": b'[plugins.x]\n\nkey = "secret://fil/x"'},
        "conf.d/a.toml:3: plugins.x.key: secret://fil/x has an unknown scheme 'fil'. Did you mean 'file'?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "error"), FAULTS_OF_FILES.values(), ids=FAULTS_OF_FILES)
def test_a_fault_between_files_or_in_their_form_is_said_with_its_place(
    tmp_path: Path, files: dict[str, bytes], error: str
) -> None:
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigErrors) as raised:
        load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert any(
        line.startswith(error) or (error.startswith(":") and error in line)
        for line in str(raised.value).splitlines()
    ), str(raised.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read it")
def test_a_secret_that_the_hub_may_not_read_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text('[plugins.x]\npassword = "secret://file/./key"')
    (tmp_path / "hub.toml").chmod(0o644)
    (tmp_path / "key").write_text("hunter2")
    (tmp_path / "hub.toml").chmod(0o644)
    (tmp_path / "key").chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o555)
    os.seteuid(65534)
    try:
        with pytest.raises(ConfigErrors) as raised:
            load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    finally:
        os.seteuid(0)
    said = "hub.toml:2: plugins.x.password: secret://file/./key cannot be read: Permission denied"
    assert str(raised.value) == said
