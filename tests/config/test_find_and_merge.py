"""Which files are read, in which order they count, and what the environment changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.config.environment import parse_value
from hub.config.errors import ConfigErrors
from hub.config.find import find
from hub.config.load import Config, load

Write = Callable[[str, str], Path]
Load = Callable[..., Config]
Faults = Callable[..., list[str]]


def test_the_first_file_found_is_the_configuration(tmp_path: Path, write: Write) -> None:
    environ = {"HOME": str(tmp_path / "home")}
    assert find(None, environ, tmp_path) is None
    at_home = write("home/.config/hub/hub.yaml", "")
    assert find(None, environ, tmp_path) == at_home
    elsewhere = write("xdg/hub/hub.toml", "")
    environ["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    assert find(None, environ, tmp_path) == elsewhere
    here = write("hub.yml", "")
    assert find(None, environ, tmp_path) == here
    environ["HUB_CONFIG"] = "named.toml"
    assert find(None, environ, tmp_path) == tmp_path / "named.toml"
    assert find(Path("flag.toml"), environ, tmp_path) == tmp_path / "flag.toml"
    assert find(Path("~/flag.toml").expanduser(), environ, tmp_path) == Path.home() / "flag.toml"


def test_a_relative_xdg_folder_does_not_count(tmp_path: Path, write: Write) -> None:
    write("xdg/hub/hub.toml", "")
    assert find(None, {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": "xdg"}, tmp_path) is None


def test_toml_beside_yaml_is_an_error(tmp_path: Path, write: Write) -> None:
    write("hub.toml", "")
    write("hub.yaml", "")
    with pytest.raises(ConfigErrors) as raised:
        find(None, {"HOME": str(tmp_path)}, tmp_path)
    assert (
        str(raised.value) == f"{tmp_path}: hub.toml and hub.yaml stand beside each other. Keep one of them."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.toml", "cannot be read: No such file or directory"),
        ("folder.toml", "cannot be read: Is a directory"),
        ("hub.conf", "cannot tell TOML from YAML by this name. Call it .toml or .yaml."),
    ],
)
def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "hub.conf").write_text("")
    with pytest.raises(ConfigErrors) as raised:
        load(Path(name), {"HOME": str(tmp_path)}, tmp_path)
    assert str(raised.value) == f"{name}: {reason}"


def test_without_a_file_the_defaults_hold(load_text: Load, tmp_path: Path) -> None:
    config = load_text()
    assert config.sources == ()
    assert config.settings.hub.plugins == ("storage-sql", "blobs-segment", "directory-sql", "pop3")
    assert config.settings.hub.data_dir == tmp_path / "home/.local/share/hub"
    assert config.settings.hub.plugin_dirs == (tmp_path / "home/.local/share/hub/plugins.d",)
    assert {
        name: (listener.addresses, listener.tls) for name, listener in config.settings.listeners.items()
    } == {
        "smtp": ((("127.0.0.1", 2525),), "starttls"),
        "submission": ((("127.0.0.1", 2587),), "starttls"),
        "imap": ((("127.0.0.1", 2143),), "starttls"),
        "pop3": ((("127.0.0.1", 2110),), "starttls"),
    }
    assert config.origin("smtp.max_size").source == "default"
    assert load_text(XDG_DATA_HOME="/srv").settings.hub.data_dir == Path("/srv/hub")


def test_included_files_count_less_than_the_file_that_includes_them(load_text: Load, write: Write) -> None:
    write("conf.d/b.toml", "[smtp]\nmax_size = 2\nmax_recipients = 2\nmax_errors = 2\n")
    write("conf.d/a.toml", "[smtp]\nmax_size = 1\nmax_recipients = 1\ntimeout = 1\n")
    write("conf.d/.hidden.toml", "[smtp]\nmax_size = 9\n")
    write("extra.yaml", "smtp:\n  max_errors: 7\n")
    config = load_text('include = ["conf.d/*.toml", "extra.yaml"]\n[smtp]\nmax_size = 3\n')
    smtp = config.settings.smtp
    assert (smtp.max_size, smtp.max_recipients, smtp.timeout, smtp.max_errors) == (3, 2, 1.0, 7)
    assert [path.name for path in config.sources] == ["a.toml", "b.toml", "extra.yaml", "hub.toml"]
    keys = ("max_size", "max_recipients", "timeout", "max_errors")
    assert [str(config.origin(f"smtp.{key}")) for key in keys] == [
        "hub.toml:3", "conf.d/b.toml:3", "conf.d/a.toml:4", "extra.yaml:2",
    ]  # fmt: skip


def test_includes_are_relative_to_their_own_file_and_nest(load_text: Load, write: Write) -> None:
    write("conf.d/a.toml", 'include = ["deep/*.toml"]\n')
    write("conf.d/deep/x.toml", "[smtp]\nmax_size = 5\n")
    assert load_text('include = ["conf.d/*.toml"]\n').settings.smtp.max_size == 5


def test_tables_merge_and_lists_replace(load_text: Load, write: Write) -> None:
    write("a.toml", "[plugins.x]\nlist = [1, 2]\ntable = {a = 1, b = 1}\nturned = {a = 1}\n")
    config = load_text('include = ["a.toml"]\n[plugins.x]\nlist = [3]\ntable = {b = 2}\nturned = 5\n')
    assert config.plugin_table("x") == {"list": [3], "table": {"a": 1, "b": 2}, "turned": 5}
    assert str(config.origin("plugins.x.table.a")) == "a.toml:3"
    assert str(config.origin("plugins.x.table.b")) == "hub.toml:4"
    assert config.origin("plugins.x.turned.a").source == "default"


def test_an_include_that_matches_nothing_is_fine_with_a_wildcard_only(
    load_text: Load, faults: Faults
) -> None:
    assert load_text('include = ["conf.d/*.toml"]\n').sources[-1].name == "hub.toml"
    assert faults('include = ["conf.d/a.toml"]\n') == [
        "hub.toml:1: include[0]: there is no file conf.d/a.toml"
    ]


def test_files_that_include_each_other_are_an_error(faults: Faults, write: Write) -> None:
    write("conf.d/a.toml", 'include = ["../hub.toml"]\n')
    circle = "hub.toml → conf.d/a.toml → conf.d/../hub.toml"
    assert faults('\ninclude = ["conf.d/*.toml"]\n') == [
        f"conf.d/a.toml:1: include: the includes go round in a circle: {circle}"
    ]


def test_a_file_that_is_included_twice_is_no_circle(load_text: Load, write: Write) -> None:
    write("a.toml", "[smtp]\nmax_size = 5\n")
    assert load_text('include = ["a.toml", "./a.toml"]\n').settings.smtp.max_size == 5


def test_an_endless_number_of_files_is_an_error(faults: Faults, write: Write) -> None:
    for depth in range(10):
        write(f"{depth}.toml", f'include = ["{depth + 1}.toml", "{depth + 1}.toml"]\n')
    write("10.toml", "")
    assert faults('include = ["0.toml"]\n')[0].endswith("include: more than 256 files are included")


def test_the_faults_of_all_files_are_said_at_once(faults: Faults, write: Write) -> None:
    write("conf.d/a.toml", "x = \n")
    write("conf.d/b.toml", "[smtp]\nmax_sizes = 1\n")
    write("conf.d/c.toml", "[x\n")
    assert faults('include = ["conf.d/*.toml", "d.toml"]\n') == [
        "conf.d/a.toml:1: is not TOML: invalid value at column 5",
        "conf.d/c.toml:1: is not TOML: expected ']' at the end of a table declaration at column 3",
        "hub.toml:1: include[1]: there is no file d.toml",
    ]


def test_the_environment_overrides_the_files(load_text: Load) -> None:
    listener = "[listeners.mx-1]\nprotocol = 'smtp'\nbind = []\n"
    text = f"[smtp]\nmax_size = 5\n[plugins.deny-list]\nnet-works = []\n{listener}"
    config = load_text(
        text,
        HUB__SMTP__MAX_SIZE="25MB",
        hub__Smtp__Timeout="7",
        HUB__LISTENERS__MX_1__BIND='["127.0.0.1:26"]',
        HUB__PLUGINS__DENY_LIST__NET_WORKS='["10.0.0.0/8"]',
        HUB__PLUGINS__RATE_LIMIT__PER_HOUR="5",
        HUB__PLUGINS__RATE_LIMIT__HUB__ON_FAILURE="skip",
        HUB__HUB__PLUGINS='["storage-sql"]',
        HUB__LOG='{format = "json"}',
    )
    assert config.settings.smtp.max_size == 25_000_000
    assert config.settings.smtp.timeout == 7.0
    assert config.settings.listeners["mx-1"].bind == ("127.0.0.1:26",)
    assert config.plugin_table("deny-list") == {"net-works": ["10.0.0.0/8"]}
    assert config.plugin_table("rate-limit") == {"per_hour": 5}
    assert config.plugin_options("rate-limit").on_failure == "skip"
    assert config.plugin_options("deny-list").on_failure is None
    assert config.settings.hub.plugins == ("storage-sql",)
    assert config.settings.log.format == "json"
    origin = config.origin("smtp.max_size")
    assert (origin.source, origin.variable, origin.line) == ("environment", "HUB__SMTP__MAX_SIZE", None)


def test_an_override_that_is_wrong_is_named(faults: Faults) -> None:
    assert faults(HUB__SMTP__MAX_SIZES="1", HUB__SMPT__X="1", HUB__LOG__LEVEL="inf") == [
        "$HUB__LOG__LEVEL: log.level: should be 'debug', 'info', 'warning' or 'error'. Did you mean 'info'?",
        "$HUB__SMPT__X: smpt: unknown key. Did you mean 'smtp'?",
        "$HUB__SMTP__MAX_SIZES: smtp.max_sizes: unknown key. Did you mean 'max_size'?",
    ]
    example = "An example: HUB__SMTP__MAX_SIZE=25MB"
    empty = f"is not an override: two underscores separate names, and none may be empty. {example}"
    assert faults(HUB__="1", HUB__SMTP____X="1", HUB__INCLUDE="['x']", HUB__HUB__USER="\udcff") == [
        f"$HUB__: {empty}",
        f"$HUB__HUB__USER: is not UTF-8. {example}",
        f"$HUB__INCLUDE: is not an override: files are included by files only. {example}",
        f"$HUB__SMTP____X: {empty}",
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("true", True), ('"5"', "5"), ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}), ("", ""),
        ("plain text", "plain text"), ("25MB", "25MB"), ("5 # five", "5 # five"),
        ("1,", "1,"), ("1, 2", "1, 2"),
        ("1\nx = 2", "1\nx = 2"), ("1]\nx = [2", "1]\nx = [2"),
        ("[" * 90_000, "[" * 90_000),
    ],
    ids=range(14),
)  # fmt: skip
def test_the_text_of_a_variable_is_the_toml_value_that_it_is(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_relative_paths_start_from_the_file_that_says_them(
    load_text: Load, write: Write, tmp_path: Path
) -> None:
    write("sub/tls.toml", '[tls]\ncertificate = "c.pem"\nkey = "/abs/k.pem"\n')
    config = load_text(
        'include = ["sub/tls.toml"]\n[hub]\nplugin_dirs = ["mine", "~/x"]\n', HUB__HUB__DATA_DIR="data"
    )
    assert config.settings.tls.certificate == tmp_path / "sub/c.pem"
    assert config.settings.tls.key == Path("/abs/k.pem")
    assert config.settings.hub.plugin_dirs == (tmp_path / "mine", Path.home() / "x")
    assert config.settings.hub.data_dir == tmp_path / "data"


def test_tls_follows_the_certificate(load_text: Load) -> None:
    names = ("smtp", "submission", "submissions", "imap", "imaps")
    tables = "".join(f"[listeners.{n}]\nprotocol = '{n}'\nbind = ['127.0.0.1:0']\n" for n in names)
    config = load_text(f"[tls]\ncertificate = 'c'\nkey = 'k'\n{tables}")
    assert [config.settings.listeners[name].tls for name in names] == [
        "starttls", "starttls", "implicit", "starttls", "implicit",
    ]  # fmt: skip
