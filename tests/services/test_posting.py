"""What an attempt to POST becomes when there is no answer."""

from __future__ import annotations

import asyncio
import contextlib

from hub.mail.alert import Attempt
from hub.services.posting import open_poster


async def test_no_answer_is_for_later_and_no_address_is_said() -> None:
    silent = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(silent.close)
        poster = await stack.enter_async_context(open_poster(timeout=0.1))
        attempt = await poster.post(f"http://127.0.0.1:{port}/secret", b"{}")
        assert attempt == Attempt("no answer in time", again=True)
        assert await poster.post("http://[::secret", b"{}") == Attempt("its address is none that HTTP knows")
        assert await poster.post("gopher://secret/", b"{}") == Attempt("its address is none that HTTP knows")
