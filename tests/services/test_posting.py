"""What an attempt to POST becomes when there is no answer."""

from __future__ import annotations

import socket

from hub.mail.alert import Attempt
from hub.services.posting import open_poster


async def test_no_answer_is_for_later_and_no_address_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        async with open_poster(timeout=0.1) as poster:
            attempt = await poster.post(f"http://127.0.0.1:{port}/secret", b"{}")
            assert attempt == Attempt("no answer in time", again=True)
            for wrong in ("http://[::secret", "gopher://secret/"):
                assert await poster.post(wrong, b"{}") == Attempt("its address is none that HTTP knows")
