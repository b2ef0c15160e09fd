"""Who is banned, in memory; the tables are looked at every second, for others change them too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel, ConfigDict, Field

from hub import Clock, Duration, Network, Networks, Tables
from hub_plugin_auth_guard import records
from hub_plugin_auth_guard.records import Ban, FailedLogin


class Settings(BaseModel):
    """[plugins.auth-guard]: after how many failed logins an address is banned, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failures: int = Field(default=10, ge=1, description="So many failed logins of one address ban it.")
    within: Duration = Field(default=900.0, gt=0, description="The time in which they count.")
    ban: Duration = Field(default=3600.0, gt=0, description="How long a ban lasts.")
    keep: Duration = Field(
        default=7 * 86400.0, gt=0, description="How long failed logins are kept for `hub auth failures`."
    )
    exempt: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="Clients in these networks are never banned."
    )


class Guard:
    """The bans of one worker."""

    def __init__(self, settings: Settings, tables: Tables, clock: Clock) -> None:
        self._settings = settings
        self._tables = tables
        self._clock = clock
        self._exempt = Networks(settings.exempt)
        self._bans: Sequence[Ban] = ()
        self._networks = Networks(())
        self._next_end = float("inf")
        self._mark: object = None

    def is_banned(self, host: str) -> bool:
        """Whether a client is refused; one in an exempt network never is."""
        if self._clock.time() >= self._next_end:
            self._take(self._bans)
        return bool(self._networks) and host in self._networks and host not in self._exempt

    async def note(self, host: str, username: str, protocol: str, mechanism: str, reason: str) -> Ban | None:
        """Count a failed login; the ban, if it was one too many. Who is banned already is not counted."""
        client = records.network_of(host)
        if client is None or host in self._exempt or self.is_banned(host):
            return None
        said = map(records.shown, (username, protocol[:32], mechanism[:32], reason))
        failure = FailedLogin(client, self._clock.time(), *said)
        work = partial(
            records.note_failure,
            failure=failure,
            amount=self._settings.failures,
            within=self._settings.within,
            ban=self._settings.ban,
        )
        made = await self._tables.write(work)
        if made is not None:
            await self.refresh()
        return made

    async def refresh(self) -> None:
        """Take over what others have changed."""
        found = await self._tables.point(records.mark)
        if found != self._mark:
            self._take(await self._tables.read(partial(records.bans, now=self._clock.time())))
            self._mark = found

    def _take(self, bans: Sequence[Ban]) -> None:
        """Those of them that hold now, until the first one ends."""
        now = self._clock.time()
        self._bans = [ban for ban in bans if ban.until > now]
        self._networks = Networks(ban.network for ban in self._bans)
        self._next_end = min((ban.until for ban in self._bans), default=float("inf"))

    async def expire(self) -> None:
        """Forget what is old."""
        work = partial(records.expire, now=self._clock.time(), keep=self._settings.keep)
        await self._tables.write(work)
