"""Virus scanning through clamd."""

import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import clamd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub import Duration, Finding, Message, Plugin, Reject, Size, hookimpl

DEBIAN_SOCKET: Final = Path("/var/run/clamav/clamd.ctl")

ClamdAddress: TypeAlias = Path | tuple[str, int]


class Settings(BaseModel):
    """[plugins.clamav]: where clamd listens, and what it is not asked about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket: Path | None = Field(
        default=None,
        description=f"clamd's unix socket (its LocalSocket). Without socket and host: {DEBIAN_SOCKET}.",
    )
    host: str | None = Field(
        default=None, min_length=1, description="Where clamd listens on TCP (its TCPAddr), instead of socket."
    )
    port: int = Field(default=3310, ge=1, le=65535, description="clamd's TCPSocket; counts only with host.")
    timeout: Annotated[Duration, Field(gt=0, le=55)] = Field(
        default=30.0,
        description="How long one scan may take, connecting included; less than the 60 s that the hook has.",
    )
    max_size: Size = Field(
        default=25 << 20,
        description="Larger messages are not scanned. Not more than clamd's StreamMaxLength.",
    )
    too_large: Literal["accept", "reject"] = Field(
        default="accept", description="What becomes of a message that is too large to be scanned."
    )

    @model_validator(mode="after")
    def _one_address(self) -> "Settings":
        if self.socket is not None and self.host is not None:
            raise ValueError("has both socket and host; clamd is asked at one of them")
        return self

    @property
    def address(self) -> ClamdAddress:
        """Where to connect to."""
        return (self.host, self.port) if self.host is not None else self.socket or DEBIAN_SOCKET


@hookimpl
def check_message(plugin: Plugin, message: Message) -> Finding | None:
    """One scan in one of the plugin's threads; a message that finds all of them busy waits its turn."""
    settings = plugin.settings(Settings)
    if message.size > settings.max_size:
        return _not_scanned(settings, message.size)
    try:
        virus = Scan(settings.address, settings.timeout).run(message.chunks())
        plugin.dependency("clamd")
    except clamd.BufferTooLongError:
        plugin.dependency("clamd")
        plugin.log.warning("clamd's StreamMaxLength is below max_size", size=message.size)
        return _not_scanned(settings, message.size)
    except (clamd.ClamdError, OSError) as error:
        plugin.dependency("clamd", f"{type(error).__name__}: {error}")
        raise
    if virus is None:
        return Finding(headers=(("X-Virus-Scanned", "ClamAV"),))
    return Finding(action=Reject("5.7.1", f"the message carries a virus: {virus}"), reasons=(virus,))


def _not_scanned(settings: Settings, size: int) -> Finding:
    reasons = (f"not scanned: {size} octets are more than clamd takes",)
    if settings.too_large == "accept":
        return Finding(reasons=reasons)
    return Finding(
        action=Reject("5.3.4", "the message is too large to be scanned for viruses"), reasons=reasons
    )


class Scan(clamd.ClamdNetworkSocket):  # type: ignore[misc]  # untyped
    """One INSTREAM conversation (clamd(8)) that ends by its deadline, whatever clamd does.

    The library connects without a timeout and over IPv4 alone, and its `instream` loses what a short `send`
    leaves over; how it reads answers is used as it is.
    """

    def __init__(self, address: ClamdAddress, timeout: float) -> None:
        self.address = address
        self.deadline = time.monotonic() + timeout

    def run(self, chunks: Iterable[bytes]) -> str | None:
        """The signature's name, None if nothing was found.

        Raises clamd.BufferTooLongError past StreamMaxLength, clamd.ClamdError or TimeoutError if there is
        no verdict.
        """
        self._init_socket()
        try:
            try:
                self._send_command("INSTREAM")
                for chunk in chunks:
                    self._send(struct.pack("!L", len(chunk)) + chunk)
                self._send(struct.pack("!L", 0))
            except (BrokenPipeError, ConnectionResetError):
                pass  # past StreamMaxLength clamd says so and closes, while we still send
            self.clamd_socket.settimeout(self._left())
            answer: str = self._recv_response()
            if answer.startswith("INSTREAM size limit exceeded"):
                raise clamd.BufferTooLongError(answer)
            if not answer:
                raise clamd.ConnectionError(
                    f"clamd at {self._where()} closed the connection without an answer"
                )
            _, virus, status = self._parse_response(answer)
            if status == "ERROR":
                raise clamd.ResponseError(answer)
            return _printable(virus or "unnamed") if status == "FOUND" else None
        finally:
            self._close_socket()

    def _init_socket(self) -> None:
        try:
            self.clamd_socket = _connect(self.address, self._left())
        except OSError as error:
            raise clamd.ConnectionError(f"clamd at {self._where()} does not answer: {error}") from error

    def _send(self, data: bytes) -> None:
        self.clamd_socket.settimeout(self._left())
        self.clamd_socket.sendall(data)

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"clamd at {self._where()} has not judged the message in time")
        return left

    def _where(self) -> str:
        return str(self.address) if isinstance(self.address, Path) else ":".join(map(str, self.address))


def _connect(address: ClamdAddress, timeout: float) -> socket.socket:
    if not isinstance(address, Path):
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(str(address))
    except BaseException:
        connection.close()
        raise
    return connection


def _printable(name: str) -> str:
    """A signature's name as it may stand in a reply line."""
    return "".join(char if char.isascii() and char.isprintable() else "?" for char in name[:100])
