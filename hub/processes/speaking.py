"""What the control socket of a hub with workers answers: all are asked, and their answers made one."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import cast

from hub.control import Handler, Refused
from hub.processes import merging
from hub.processes.crew import ANSWERING, Crew
from hub.processes.merging import Fields
from hub.processes.names import ASKING
from hub.processes.rounds import BUILDING


class Spokesman:
    """Speaks for the crew, from the start of the supervisor on."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._started_at = time.monotonic()

    def verbs(self) -> dict[str, Handler]:
        """Verb → who answers it: what changes nothing about which processes and plugins serve."""
        return {
            "status": self._status,
            "plugins": self._plugins,
            "hooks": self._hooks,
            "preview": self._preview,
            "flush-traces": self._flush_traces,
            "raise-log": self._raise_log,
            "ask-plugin": self._ask_plugin,
            "destinations": self._destinations,
            "tls-failures": self._tls_failures,
            "tls-policy": self._tls_policy,
        }

    async def _status(self, _: Fields) -> object:
        answers = cast("dict[int, Fields]", await self._crew.answers("status"))
        workers = [
            {
                "number": worker.number,
                "pid": worker.pid,
                "state": "serves" if said else "is silent" if worker.ready else "starts",
                "uptime": said.get("uptime", 0.0),
                "sessions": said.get("sessions", 0),
                "generation": said.get("generation", 0),
                "restarts": worker.restarts,
                "last_death": worker.last_death,
            }
            for worker in self._crew
            for said in (answers.get(worker.number, {}),)
        ]
        return merging.status(answers, workers, os.getpid(), time.monotonic() - self._started_at)

    async def _destinations(self, _: Fields) -> object:
        answers = cast("dict[int, Sequence[Fields]]", await self._crew.answers("destinations"))
        return merging.destinations(answers)

    async def _plugins(self, _: Fields) -> object:
        return merging.plugins(cast("dict[int, Sequence[Fields]]", await self._crew.answers("plugins")))

    async def _hooks(self, _: Fields) -> object:
        answers = cast("dict[int, Mapping[str, Sequence[Fields]]]", await self._crew.answers("hooks"))
        return merging.hooks(answers)

    async def _preview(self, _: Fields) -> object:
        """What a reload would do."""
        return await self._crew.of_one("preview", BUILDING)

    async def _tls_policy(self, request: Fields) -> object:
        return await self._crew.of_one("tls-policy", ASKING, domain=request["domain"])

    async def _flush_traces(self, _: Fields) -> object:
        return all((await self._crew.answers("flush-traces")).values())

    async def _tls_failures(self, request: Fields) -> object:
        answers = cast("dict[int, Sequence[Fields]]", await self._crew.answers("tls-failures", **request))
        return merging.latest(answers, cast(int, request["last"]))

    async def _raise_log(self, request: Fields) -> object:
        said = await self._crew.ask(self._crew.ready, "raise-log", ANSWERING, **request)
        refused = next((answer for answer in said if isinstance(answer, BaseException)), None)
        if refused is not None:
            raise refused
        return said[0]

    async def _ask_plugin(self, request: Fields) -> object:
        """The answers of the workers that gave one; if none did, what the first had against it."""
        said = await self._crew.ask(self._crew.ready, "ask-plugin", ASKING, **request)
        answers = [each for answer in said if isinstance(answer, list) for each in answer]
        if answers:
            return answers
        raise next((each for each in said if isinstance(each, Refused)), RuntimeError("no worker answers"))
