"""`hub init`: a first configuration and the systemd unit that goes with it."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import click

_CONFIG = """# The hub's configuration.
# `hub config explain KEY` says what a key means, `hub config check` whether all is well.

[hub]
hostname = "{hostname}"
data_dir = "{data}"
user = "{user}"
plugins = ["storage-sql", "blobs-segment", "directory-sql", "pop3"{more}]

[listeners.smtp]
protocol = "smtp"
bind = ["0.0.0.0:25", "[::]:25"]
{secured}
# What plugins answer over HTTP, such as the metrics of `prometheus`:
# [listeners.http]
# protocol = "http"
# bind = ["127.0.0.1:9580"]
"""

_SECURED = """
[listeners.submission]
protocol = "submission"
bind = ["0.0.0.0:587", "[::]:587"]

[listeners.submissions]
protocol = "submissions"
bind = ["0.0.0.0:465", "[::]:465"]

[listeners.imap]
protocol = "imap"
bind = ["0.0.0.0:143", "[::]:143"]

[listeners.imaps]
protocol = "imaps"
bind = ["0.0.0.0:993", "[::]:993"]

[listeners.pop3]
protocol = "pop3"
bind = ["0.0.0.0:110", "[::]:110"]

[listeners.pop3s]
protocol = "pop3s"
bind = ["0.0.0.0:995", "[::]:995"]

[tls]
certificate = "{certificate}"
key = "{key}"
"""

_UNSECURED = """
# Without a certificate nobody may log in from elsewhere, so these stay on loopback.
# Name one in [tls], then open them up.

[listeners.submission]
protocol = "submission"
bind = ["127.0.0.1:587", "[::1]:587"]

[listeners.imap]
protocol = "imap"
bind = ["127.0.0.1:143", "[::1]:143"]

[listeners.pop3]
protocol = "pop3"
bind = ["127.0.0.1:110", "[::1]:110"]
"""

_UNIT = """[Unit]
Description=Mail hub
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart={command} --config {config} serve
ExecReload={command} --config {config} reload
User={user}
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ReadWritePaths={data}
LimitNOFILE=65536
TimeoutStopSec=60
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/etc/hub"),
    show_default=True,
    help="Where hub.toml and hub.service are written.",
)
@click.option("--hostname", default=socket.gethostname, help="The name this server greets with.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/var/lib/hub"),
    show_default=True,
    help="Where mail and database are kept.",
)
@click.option("--user", default="hub", show_default=True, help="The user that the hub runs as.")
@click.option("--certificate", type=click.Path(path_type=Path, exists=True), help="PEM file with the chain.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="PEM file with the private key.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(
    directory: Path,
    hostname: str,
    data: Path,
    user: str,
    certificate: Path | None,
    key: Path | None,
    force: bool,
) -> None:
    """Write a first hub.toml and a systemd unit, and say what comes next."""
    if (certificate is None) != (key is None):
        raise click.UsageError("a certificate and its key belong together: give --certificate and --key")
    config, unit = directory.absolute() / "hub.toml", directory.absolute() / "hub.service"
    for path in (config, unit):
        if path.exists() and not force:
            raise click.ClickException(f"{path} is there already; --force overwrites it")
    secured = (
        _SECURED.format(certificate=certificate.absolute(), key=key.absolute())
        if certificate is not None and key is not None
        else _UNSECURED
    )
    command = shutil.which("hub") or str(Path(sys.executable).parent / "hub")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        more = "".join(f', "{name}"' for name in _installed(("deny-list", "rate-limit", "auth-guard")))
        config.write_text(
            _CONFIG.format(hostname=hostname, data=data.absolute(), user=user, secured=secured, more=more)
        )
        unit.write_text(_UNIT.format(command=command, config=config, user=user, data=data.absolute()))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"Wrote {config} and {unit}. Next:\n")
    click.echo(f"  useradd --system --home-dir {data} {user}")
    click.echo(f"  install -d -o {user} -m 0700 {data}")
    click.echo(f"  systemctl enable --now {unit}")
    click.echo(f"  hub --config {config} domain add {_domain(hostname)}")
    click.echo(f"  hub --config {config} account add postmaster@{_domain(hostname)}")


def _installed(names: tuple[str, ...]) -> list[str]:
    from importlib.metadata import entry_points

    there = {entry.name for entry in entry_points(group="hub.plugins")}
    return [name for name in names if name in there]


def _domain(hostname: str) -> str:
    """The domain that a mail server of that name most likely serves."""
    labels = hostname.split(".")
    return ".".join(labels[1:] if len(labels) > 2 else labels)
