"""The hub, started as `hub serve` starts for an operator who has written a short configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.cpu import CORES
from bench.figure import HUB
from bench.imap_client import ImapClient
from bench.options import Options
from bench.server import DOMAIN, HOST, MAILBOX, NotStarted, environment, wait_for_greeting
from hub.config.load import load
from hub.control import ask
from hub.testing.ports import free_ports
from hub.version import __version__

ALONE: Final = f"{HUB}, 1 worker"
CONFIG: Final = "hub.toml"
COMMAND: Final = Path(sys.executable).with_name("hub")
PASSWORD: Final = "nobody else knows it"
PLUGINS: Final = ("storage-sql", "blobs-segment", "directory-sql", "deny-list", "rate-limit")

# What is not named here is as `hub config show` has it by default: log level, trace records.
_CONFIG = """[hub]
hostname = "hub.{domain}"
data_dir = "{folder}/data"
plugins = [{plugins}]
plugin_dirs = ["{folder}/plugins.d"]
workers = {workers}

[listeners.smtp]
protocol = "smtp"
bind = ["{host}:{smtp}"]

[listeners.imap]
protocol = "imap"
bind = ["{host}:{imap}"]
{tls}"""

_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
    "-subj /CN=hub.{domain} -addext subjectAltName=DNS:hub.{domain} "
    "-keyout {folder}/key.pem -out {folder}/cert.pem"
)
_TLS = """
[listeners.imaps]
protocol = "imaps"
bind = ["{host}:{imaps}"]

[tls]
certificate = "{folder}/cert.pem"
key = "{folder}/key.pem"
"""

_FURNISHED: Final[dict[Path, bytes]] = {}
"""What a data folder with the reader's account has; 200 KB, which two verbs take seconds to make."""

Prepare = Callable[[Path], None]
"""What is done with the path of the configuration before the hub serves."""


@dataclass(slots=True)
class Hub:
    """One hub; its 250 means delivered. pid: of the last process. imaps_port: 0 without TLS."""

    folder: Path
    pid: int
    port: int
    imap_port: int
    imaps_port: int
    workers: int
    delivers_first: bool = True

    @property
    def setup(self) -> Mapping[str, str]:
        """What the report says of it."""
        return {
            "version": __version__,
            "delivery": "its own mailbox, in the commit that is answered with 250",
            "workers": f"{self.workers} on {CORES} cores",
            "plugins": f"{', '.join(PLUGINS)}; rate-limit exempts loopback by default",
            "settings": f"`hub serve` with {_found(self.config)}; else its defaults, its log in a file",
        }

    @property
    def log(self) -> Path:
        """What it says since its last start."""
        return self.folder / "log"

    @property
    def config(self) -> Path:
        """Its configuration file."""
        return self.folder / CONFIG

    @property
    def command(self) -> list[str]:
        """`hub`, with its configuration."""
        return [str(COMMAND), "--config", str(self.config)]

    def verb(self, *words: str, given: str = "") -> str:
        """What `hub …` answers to `given`. NotStarted if it fails."""
        return _run([*self.command, *words], given)

    @property
    def watched(self) -> Path:
        """The plugin folder."""
        return self.folder / "plugins.d"

    def ask(self, verb: str) -> object:
        """What it answers on its control socket."""
        return ask(self.folder / "data" / "control.sock", verb)

    def stored(self) -> int:
        """What IMAP's STATUS counts."""
        with self.log_in() as client:
            answer = client.ask("STATUS INBOX (MESSAGES)")
        return int(answer.partition(b"(MESSAGES ")[2].partition(b")")[0])

    def log_in(self) -> ImapClient:
        """The mailbox's owner, on a new connection."""
        client = ImapClient(self.imap_port)
        client.ask(f'LOGIN {MAILBOX} "{PASSWORD}"')
        return client


def lay_out(folder: Path, workers: int, *, tls: bool = False, prepare: Prepare | None = None) -> Hub:
    """A hub that does not run yet, with everything it has below `folder`, which is made. NotStarted.

    tls: offers STARTTLS, and IMAP on a TLS port too.
    """
    (folder / "plugins.d").mkdir(parents=True, mode=0o755)
    smtp, imap, imaps = free_ports(3)
    hub = Hub(folder, 0, smtp, imap, imaps if tls else 0, workers)
    if tls:
        _run(_CERTIFICATE.format(domain=DOMAIN, folder=folder).split())
    hub.config.write_text(
        _CONFIG.format(
            domain=DOMAIN,
            folder=folder,
            workers=workers,
            plugins=", ".join(f'"{name}"' for name in PLUGINS),
            host=HOST,
            smtp=hub.port,
            imap=hub.imap_port,
            tls=_TLS.format(host=HOST, imaps=hub.imaps_port, folder=folder) if tls else "",
        )
    )
    _furnish(hub)
    if prepare is not None:
        prepare(hub.config)
    return hub


def _furnish(hub: Hub) -> None:
    """Give it the reader's account: by its own verbs the first time, from then on as a copy of that."""
    data = hub.folder / "data"
    if not _FURNISHED:
        hub.verb("domain", "add", DOMAIN)
        hub.verb("account", "add", MAILBOX, "--password-stdin", given=f"{PASSWORD}\n")
        files = (path for path in data.rglob("*") if path.is_file())
        _FURNISHED.update({path.relative_to(data): path.read_bytes() for path in files})
        return
    for path, content in _FURNISHED.items():
        (data / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (data / path).write_bytes(content)


def start(hub: Hub) -> subprocess.Popen[bytes]:
    """`hub serve`, with what it says in its log."""
    with hub.log.open("wb") as output:
        return subprocess.Popen(
            [*hub.command, "serve"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Start it, and stop it again. NotStarted."""
    process = start(hub)
    try:
        try:
            wait_for_greeting(hub.port, process)
        except NotStarted as error:
            raise NotStarted(f"the hub: {error}\n{hub.log.read_text('utf-8', 'replace')[-2000:]}") from None
        hub.pid = process.pid
        yield hub
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(folder: Path, workers: int, *, prepare: Prepare | None = None) -> Iterator[Hub]:
    """`lay_out` and `serving` in one. NotStarted."""
    with serving(lay_out(folder, workers, prepare=prepare)) as hub:
        yield hub


def all_running(stack: ExitStack, options: Options) -> dict[str, Hub]:
    """The hub by its name in reports, and one of a single worker beside it unless it is one. NotStarted."""
    hubs = {HUB: stack.enter_context(running(options.folder / "hub", options.workers))}
    if options.workers > 1:
        hubs[ALONE] = stack.enter_context(running(options.folder / "alone", 1))
    return hubs


def _found(config: Path) -> str:
    """What costs something and is not in the file, as the hub understands it."""
    settings = load(config, environ={}, cwd=config.parent).settings
    return f"log level {settings.log.level}, trace records {'on' if settings.trace.enabled else 'off'}"


def _run(command: list[str], given: str = "") -> str:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, env=environment(), check=False
    )
    if done.returncode:
        raise NotStarted(f"{' '.join(command)}: {done.stderr.strip()[-2000:]}")
    return done.stdout
