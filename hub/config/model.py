"""The settings of the hub itself, a model per table; descriptions are what `hub config explain` prints."""

from collections.abc import Mapping

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from hub.config.find import xdg_folder
from hub.config.tables.checks import ChecksTable
from hub.config.tables.dns import DnsTable
from hub.config.tables.hub import HubTable, ServicesTable
from hub.config.tables.listeners import Listener, default_listeners
from hub.config.tables.observing import LogTable, TraceTable
from hub.config.tables.plugins import RegistryTable
from hub.config.tables.relay import RelayTable
from hub.config.tables.sessions import HttpTable, ImapTable, SmtpTable
from hub.config.tables.tls import TlsTable
from hub.config.tables.types import ListenerName, Table
from hub.config.units import is_unix


class HubSettings(Table):
    """Every table of the hub itself; the tables below [plugins] belong to the plugins and are not in here."""

    hub: HubTable = Field(description="The server as a whole.")
    services: ServicesTable = Field(
        default=ServicesTable(), description="Which driver fills each choose-one seam."
    )
    smtp: SmtpTable = Field(default=SmtpTable(), description="Limits of the SMTP and submission listeners.")
    imap: ImapTable = Field(default=ImapTable(), description="Limits of the IMAP listeners.")
    http: HttpTable = Field(default=HttpTable(), description="Limits of the HTTP listeners.")
    tls: TlsTable = Field(
        default=TlsTable(), description="The certificates of all listeners, and which versions are spoken."
    )
    listeners: Mapping[ListenerName, Listener] = Field(
        default_factory=lambda data: default_listeners(data["hub"].plugins if "hub" in data else ()),
        description=(
            "Where clients connect, by names of your choice. A configuration that has any listener has only "
            "its own."
        ),
    )
    checks: ChecksTable = Field(
        default=ChecksTable(), description="What the summed score of all checks does to a message."
    )
    relay: RelayTable = Field(
        default=RelayTable(), description="How mail for elsewhere is sent, and for how long it is tried."
    )
    dns: DnsTable = Field(default=DnsTable(), description="Whom the hub asks for names of the Internet.")
    log: LogTable = Field(default=LogTable(), description="What is logged, and how it looks.")
    trace: TraceTable = Field(
        default=TraceTable(), description="What is recorded of sessions: for `hub trace`, and as spans."
    )
    registry: RegistryTable = Field(default=RegistryTable(), description="Where plugins come from.")

    @field_validator("listeners")
    @classmethod
    def _settle(cls, listeners: Mapping[str, Listener]) -> Mapping[str, Listener]:
        settled = {name: _settle_tls(listener) for name, listener in listeners.items()}
        if faults := _taken_addresses(settled):
            raise ValidationError.from_exception_data("listeners", faults, hide_input=True)
        return settled

    @field_validator("trace")
    @classmethod
    def _known_listeners(cls, trace: TraceTable, info: ValidationInfo) -> TraceTable:
        listeners = info.data.get("listeners", trace.sampling.listeners)
        faults = [
            _fault(("sampling", "listeners", name), f"is no listener; there are: {', '.join(listeners)}")
            for name in trace.sampling.listeners
            if name not in listeners
        ]
        if faults:
            raise ValidationError.from_exception_data("trace", faults, hide_input=True)
        return trace


def _settle_tls(listener: Listener) -> Listener:
    upgrades = listener.protocol != "http"
    mode = listener.tls or ("implicit" if listener.is_implicit else "starttls" if upgrades else "none")
    return listener.model_copy(update={"tls": mode})


def _taken_addresses(listeners: Mapping[str, Listener]) -> list[InitErrorDetails]:
    faults: list[InitErrorDetails] = []
    taken: dict[tuple[str, int], str] = {}
    for name, listener in listeners.items():
        for index, address in enumerate(listener.addresses):
            if (address[1] or is_unix(address[0])) and address in taken:
                faults.append(
                    _fault((name, "bind", index), f"is the same address that '{taken[address]}' listens on")
                )
            taken.setdefault(address, name)
    return faults


def _fault(key: tuple[str | int, ...], reason: str) -> InitErrorDetails:
    return {
        "type": PydanticCustomError("listener", "{reason}", {"reason": reason}),
        "loc": key,
        "input": None,
    }


def machine_defaults(environ: Mapping[str, str]) -> dict[str, object]:
    """The defaults that depend on who runs the hub where, as a layer below every file."""
    return {"hub": {"data_dir": str(xdg_folder(environ, "XDG_DATA_HOME", ".local/share") / "hub")}}
