"""Sending what waits for one endpoint: several accounts at once, each in order."""

import asyncio
import random
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from hub import Plugin, Tables
from hub_plugin_webhooks import outbox
from hub_plugin_webhooks.outbox import Waiting
from hub_plugin_webhooks.posting import Answer, Poster
from hub_plugin_webhooks.settings import Endpoint

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 6 * 3600.0
"""Seconds between two attempts of one event."""
LONGEST_REST: Final = 60.0
"""Seconds between two attempts of anything at an endpoint that does not answer."""
POLL: Final = 1.0
"""Seconds after which it is looked for what another worker, or the operator, has put there."""


class Courier:
    """Sends for one endpoint until it is cancelled."""

    def __init__(
        self, plugin: Plugin, tables: Tables, name: str, endpoint: Endpoint, poster: Poster, hold: float
    ) -> None:
        self._plugin = plugin
        self._tables = tables
        self._name = name
        self._endpoint = endpoint
        self._poster = poster
        self._hold = hold
        self._wake = asyncio.Event()
        self._troubles = 0
        self._rests_until = 0.0

    def wake(self) -> None:
        """There is news."""
        self._wake.set()

    async def run(self) -> None:
        """For ever; what is being sent when it is cancelled is sent again by whoever comes next."""
        sending: dict[asyncio.Task[None], str] = {}
        try:
            while True:
                self._wake.clear()
                for event in await self._next(sending.values()):
                    task = asyncio.create_task(self._send(event), name=f"webhooks {self._name}")
                    sending[task] = event.lane
                    task.add_done_callback(lambda _: self._wake.set())
                await self._news()
                for task in [each for each in sending if each.done()]:
                    del sending[task]
                    task.result()
        finally:
            for task in sending:
                task.cancel()
            if sending:
                await asyncio.wait(sending)

    async def _news(self) -> None:
        """Until there is some, or a second has passed."""
        woken = asyncio.ensure_future(self._wake.wait())
        passed = asyncio.ensure_future(self._plugin.clock.sleep(POLL))
        try:
            await asyncio.wait((woken, passed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            passed.cancel()

    async def _next(self, busy: Collection[str]) -> Sequence[Waiting]:
        # One that does not answer is asked by one event at a time.
        free = (1 if self._troubles else self._endpoint.connections) - len(busy)
        now = self._plugin.clock.time()
        if free <= 0 or now < self._rests_until or await is_gone(self._plugin, self._name, self._endpoint):
            return ()
        return await self._tables.read(
            partial(outbox.due, endpoint=self._name, now=now, busy=tuple(busy), most=free)
        )

    async def _send(self, event: Waiting) -> None:
        answer = await self._poster.post(event.event, event.body, event.traceparent)
        if answer.taken:
            await self._tables.write(partial(outbox.taken, id_=event.id))
            self._well()
            return
        if answer.status == 410:
            await set_gone(self._plugin, self._name, self._endpoint)
            self._plugin.log.error("an endpoint is gone, nothing is sent to it", endpoint=self._name)
        if answer.about_event:
            self._well()
        else:
            self._unwell(answer)
        await self._try_again(event, answer)

    async def _try_again(self, event: Waiting, answer: Answer) -> None:
        now = self._plugin.clock.time()
        dead = event.tries + 1 >= self._endpoint.tries and answer.status != 410
        pause = min(FIRST_PAUSE * 2.0 ** min(event.tries, 20), LONGEST_PAUSE) * random.uniform(0.8, 1.2)
        await self._tables.write(
            partial(
                outbox.failed,
                event=event,
                answer=answer.text,
                due=now + max(pause, answer.rest),
                holds=now + self._hold,
                dead=dead,
            )
        )
        said = {
            "endpoint": self._name,
            "event_id": event.event,
            "answer": answer.text,
            "tries": event.tries + 1,
        }
        if dead:
            self._plugin.log.error("an event is given up", **said)
        else:
            self._plugin.log.warning("an event is tried again later", **said)

    def _well(self) -> None:
        self._troubles = 0
        self._plugin.dependency(self._name)

    def _unwell(self, answer: Answer) -> None:
        self._troubles += 1
        rest = min(2.0 ** min(self._troubles - 1, 20), LONGEST_REST) * random.uniform(0.8, 1.2)
        self._rests_until = max(self._rests_until, self._plugin.clock.time() + max(rest, answer.rest))
        self._plugin.dependency(self._name, answer.text)


def _key(name: str) -> str:
    return f"gone/{name}"


async def is_gone(plugin: Plugin, name: str, endpoint: Endpoint) -> bool:
    """Whether the endpoint has said 410 at this URL and nobody has enabled it since."""
    return await plugin.kv.get(_key(name)) == endpoint.url.encode()


async def set_gone(plugin: Plugin, name: str, endpoint: Endpoint) -> None:
    """It has said so."""
    await plugin.kv.set(_key(name), endpoint.url.encode())


async def enable(plugin: Plugin, name: str) -> bool:
    """Send to it again; whether it was gone."""
    was = await plugin.kv.get(_key(name)) is not None
    await plugin.kv.set(_key(name), None)
    return was
