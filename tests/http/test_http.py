"""HTTP listeners, spoken to over real sockets, and the routes that plugins provide."""

import asyncio
import random
import re
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest

from hub.config.tables.tls import TlsTable
from hub.testing.running import RunningHub, running_hub

HEAD = "import asyncio, time\nfrom hub import Request, Response, Route, hookimpl\n"
HELLO = """
async def hello(plugin, request):
    return Response(f"hello from {plugin.name} to {request.client.host}", media_type="text/plain")

@hookimpl
def provide_routes():
    return [Route("/hello", hello)]
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    code: int
    headers: dict[str, str]
    body: bytes


class Client:
    """A connection that is kept, and of which every octet is ours."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(
        self, path: str = "/hello", *, method: str = "GET", body: bytes = b"", more: str = ""
    ) -> Reply:
        """Send a request and read the response."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{length}{more}\r\n".encode() + body)
        return await self.read(head=method == "HEAD")

    def write(self, octets: bytes) -> None:
        """Send what is no whole request, perhaps."""
        self.writer.write(octets)

    async def read(self, *, head: bool = False) -> Reply:
        """Read one response."""
        async with asyncio.timeout(20):
            status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = 0 if head else int(headers.get("content-length", "0"))
            return Reply(int(status.split()[1]), headers, await self.reader.readexactly(length))

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(20):
            return await self.reader.read()

    async def is_closed(self) -> bool:
        """Wait for the other side to close."""
        async with asyncio.timeout(20):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def connected(
    hub: RunningHub, listener: str = "http", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Client]:
    """A connection to a listener of a hub."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.port(listener), ssl=tls)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def hub_with(
    folder: Path, http: Mapping[str, object] | None = None, **plugins: str
) -> AbstractAsyncContextManager[RunningHub]:
    """A hub with these one-file plugins and a listener `http`."""
    (folder / "plugins.d").mkdir(mode=0o700)
    for name, text in plugins.items():
        (folder / "plugins.d" / f"{name}.py").write_text(HEAD + dedent(text))
    tables = {"listeners": {"http": {"protocol": "http", "bind": ["127.0.0.1:0"]}}, "http": http or {}}
    return running_hub(folder, tables=tables, accounts=())


@pytest.mark.proves(
    "web: plugins answer HTTP on the hub's own listeners, and are replaced under open connections"
)
async def test_a_plugin_answers_a_path_and_is_replaced_under_an_open_connection(tmp_path: Path) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub, connected(hub) as client:
        reply = await client.ask()
        assert (reply.code, reply.body) == (200, b"hello from hello to 127.0.0.1")
        assert {"date", "content-length"} <= set(reply.headers)
        assert reply.headers["cache-control"] == "no-store"
        (hub.plugins_dir / "hello.py").write_text(HEAD + HELLO.replace("hello from", "goodbye from"))
        assert (await hub.hub.reload() or {})["errors"] == []
        assert (await client.ask()).body == b"goodbye from hello to 127.0.0.1"
        (hub.plugins_dir / "hello.py").unlink()
        await hub.hub.reload()
        assert (await client.ask()).code == 404


async def test_a_request_under_way_ends_with_the_plugin_that_it_began_with(tmp_path: Path) -> None:
    slow = """
    BEGUN, GO = asyncio.Event(), asyncio.Event()

    async def wait():
        BEGUN.set()
        await GO.wait()
        return Response("the first")

    @hookimpl
    def provide_routes():
        return [Route("/wait", wait)]
    """
    async with hub_with(tmp_path, slow=slow) as hub, connected(hub) as client:
        old = sys.modules["hub_plugin_slow"]
        waiting = asyncio.create_task(client.ask("/wait"))
        await old.BEGUN.wait()
        (hub.plugins_dir / "slow.py").write_text(HEAD + HELLO)
        await hub.hub.reload()
        old.GO.set()
        assert (await waiting).body == b"the first"
        assert (await client.ask("/wait")).code == 404


TROUBLE = """
async def raises():
    raise RuntimeError("the secret is 42")

async def lies():
    return "no response"

async def nothing():
    return None

async def hangs():
    await asyncio.Event().wait()

def blocks(request):
    time.sleep(0.01)
    return Response(request.path_params["name"])

async def breaks_off():
    from starlette.responses import StreamingResponse
    async def pieces():
        yield b"a beginning"
        raise RuntimeError("the secret is 42")
    return StreamingResponse(pieces())

@hookimpl
def provide_routes():
    return [
        Route("/raises", raises), Route("/lies", lies), Route("/nothing", nothing),
        Route("/hangs", hangs, timeout=0.05), Route("/blocks/{name}", blocks),
        Route("/breaks-off", breaks_off),
    ]
"""


async def test_what_a_handler_does_wrong_is_a_500_without_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub_with(tmp_path, trouble=TROUBLE) as hub, connected(hub) as client:
        for path in ("/raises", "/lies", "/hangs"):
            reply = await client.ask(path)
            assert (reply.code, reply.body) == (500, b"Something went wrong in the server\n"), path
        assert (await client.ask("/nothing")).code == 404
        assert (await client.ask("/blocks/a%20thread")).body == b"a thread"
        said = capsys.readouterr().out
        assert "trouble.py:5" in said
        assert "no answer within 0.05 s" in said
        client.write(b"GET /breaks-off HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"secret" not in await client.rest()
        assert "a response was cut short" in capsys.readouterr().out
        assert hub.hub.loader.plugins()[-1]["health"] == "ok"


async def test_a_route_that_always_fails_does_not_open_the_breaker_of_its_plugin(tmp_path: Path) -> None:
    async with hub_with(tmp_path, trouble=TROUBLE) as hub, connected(hub) as client:
        for _ in range(10):
            assert (await client.ask("/raises")).code == 500
        assert (await client.ask("/blocks/x")).code == 200


async def test_methods_that_nobody_answers_are_named(tmp_path: Path) -> None:
    routes = """
    async def get(request):
        return Response("got")

    async def post(request):
        return Response(b"took " + await request.body())

    @hookimpl
    def provide_routes():
        return [Route("/x", get), Route("/x", post, methods=("POST", "PUT"))]
    """
    async with hub_with(tmp_path, routes=routes) as hub, connected(hub) as client:
        head = await client.ask("/x", method="HEAD")
        assert (head.code, head.headers["content-length"], head.body) == (200, "3", b"")
        assert (await client.ask("/x", method="POST", body=b"this")).body == b"took this"
        client.write(b"PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.write(b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
        assert (await client.read()).body == b"took abcde"
        refused = await client.ask("/x", method="DELETE")
        assert (refused.code, refused.headers["allow"]) == (405, "GET, HEAD, POST, PUT")
        assert (await client.ask("/")).code == 404


async def test_the_path_that_says_more_wins(tmp_path: Path) -> None:
    routes = """
    def route(path):
        def answer(request):
            return Response(f"{path} {request.path_params}")
        return Route(path, answer)

    @hookimpl
    def provide_routes():
        return [route(each) for each in ("/{all:path}", "/a/{x}", "/a/{x}/b", "/a/b", "/a/b/{y}")]
    """
    async with hub_with(tmp_path, routes=routes) as hub, connected(hub) as client:
        for path, said in {
            "/a/b": "/a/b {}",
            "/a/c": "/a/{x} {'x': 'c'}",
            "/a/c/b": "/a/{x}/b {'x': 'c'}",
            "/a/": "/{all:path} {'all': 'a/'}",
            "/a/c/d/e": "/{all:path} {'all': 'a/c/d/e'}",
            "/a/b/c%2Fd": "/{all:path} {'all': 'a/b/c/d'}",
        }.items():
            assert (await client.ask(path)).body.decode() == said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("return 5", "it returned int, not list or None"),
        ("return ['/x']", "it returned str, not a list of Route"),
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("return [Route('x', answer)]", "Route('x'): a path is like /metrics"),
        ("return [Route('/{x}/{x}', answer)]", "two parameters of one name"),
        ("return [Route('/x', answer, methods=('get',))]", "methods are some of DELETE, GET"),
        ("return [Route('/x', answer, timeout=0)]", "timeout=0 leaves no time"),
        ("return [Route('/x', print)]", "the handler of /x is a builtin_function_or_method, not a function"),
        ("return [Route('/x', answer), Route('/x', answer)]", "GET /x, and the plugin itself does already"),
        (
            "return [Route('/x', wrong)]",
            "has no argument 'req'. It offers: plugin, request. Did you mean 'request'",
        ),
    ],
)
async def test_wrong_routes_refuse_the_generation_with_file_and_line(
    tmp_path: Path, text: str, error: str
) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub, connected(hub) as client:
        handlers = "async def answer(): ...\nasync def wrong(req): ...\n"
        bad = f"{HEAD}{handlers}@hookimpl\ndef provide_routes(plugin):\n    {text}\n"
        (hub.plugins_dir / "bad.py").write_text(bad)
        (said,) = cast(list[str], (await hub.hub.reload() or {})["errors"])
        assert error in said
        assert "bad.py:" in said or "print" in text
        assert (await client.ask()).code == 200


async def test_two_plugins_that_want_one_path_are_both_named(tmp_path: Path) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub:
        (hub.plugins_dir / "other.py").write_text(HEAD + HELLO)
        (said,) = cast(list[str], (await hub.hub.reload() or {})["errors"])
        assert "other.py:4: 'other' wants to answer GET /hello, and the plugin 'hello' does already" in said


# -- limits -------------------------------------------------------------------------------------------------


async def test_a_body_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    takes = """
    async def take(request):
        return Response(str(len(await request.body())))

    @hookimpl
    def provide_routes():
        return [Route("/x", take, methods=("POST",))]
    """
    async with hub_with(tmp_path, {"max_body": 1000}, takes=takes) as hub:
        async with connected(hub) as client:
            assert (await client.ask("/x", method="POST", body=b"x" * 1000)).body == b"1000"
            assert (await client.ask("/x", method="POST", body=b"x" * 1001)).code == 413
            assert await client.is_closed()
        async with connected(hub) as client:
            client.write(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(11):
                client.write(b"64\r\n" + b"x" * 100 + b"\r\n")
            assert (await client.read()).code == 413


async def test_requests_that_come_at_once_are_answered_in_order(tmp_path: Path) -> None:
    echo = """
    async def echo(request):
        if request.path_params["name"] == "slow":
            await asyncio.sleep(0.05)
        return Response(request.path_params["name"].encode() + await request.body())

    @hookimpl
    def provide_routes():
        return [Route("/{name}", echo, ("GET", "POST"))]
    """
    async with hub_with(tmp_path, echo=echo) as hub, connected(hub) as client:
        for request in ("GET /slow", "POST /body", "GET /last"):
            more = "Transfer-Encoding: chunked\r\n\r\n1\r\n!\r\n0\r\n" if "POST" in request else ""
            client.write(f"{request} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
        assert [(await client.read()).body for _ in range(3)] == [b"slow", b"body!", b"last"]


async def test_no_octets_harm_the_hub(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(1)
    words = [b"GET", b"POST", b" ", b"/hello", b"/%ff%00%1b", b"?a=b", b"HTTP/1.1", b"HTTP/9"]
    words += [b"\r\n", b"\n", b"\0", b"Host: x", b"Content-Length: 5", b"Content-Length: -1"]
    words += [b"Transfer-Encoding: chunked", b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c"]
    words += [b"Expect: 100-continue", b"ffffffff\r\n", b"0\r\n\r\n"]
    async with hub_with(tmp_path, hello=HELLO) as hub:
        capsys.readouterr()
        for _ in range(150):
            async with connected(hub) as client:
                start = b"GET /hello HTTP/1.1\r\n" if chance.random() < 0.5 else b""
                client.write(start + b"".join(chance.choices(words, k=chance.randrange(30))) + b"\r\n\r\n")
                client.writer.write_eof()
                await client.rest()
        assert capsys.readouterr().out == ""
        async with connected(hub) as client:
            assert (await client.ask()).code == 200


async def test_what_is_no_http_is_refused_and_leaves_no_line_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub:
        capsys.readouterr()
        for octets in (b"EHLO x\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b"\x16\x03\x01\r\n\r\n"):
            async with connected(hub) as client:
                client.write(octets)
                assert (await client.read()).code == 400
                assert await client.rest() == b"Invalid HTTP request received."
        assert capsys.readouterr().out == ""


async def test_who_sends_no_whole_request_in_time_is_cut_off(tmp_path: Path) -> None:
    limits = {"timeout": 0.2, "keep_alive": 0.2}
    async with hub_with(
        tmp_path, limits, hello=HELLO.replace('"/hello", hello', '"/hello", hello, ("GET", "POST")')
    ) as hub:
        sweep = hub.hub.kernel.connections.sweep
        async with connected(hub) as silent, connected(hub) as slow, connected(hub) as kept:
            slow.write(b"GET /hello HTT")
            assert (await kept.ask()).code == 200
            assert await kept.is_closed()
            sweep()
            assert await silent.is_closed()
            assert await slow.is_closed()
        async with connected(hub) as slow:
            slow.write(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            assert (await slow.read()).code == 408
        assert len(hub.hub.kernel.connections) <= 1


async def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    big = """
    async def big():
        return Response(b"x" * 50_000_000)

    @hookimpl
    def provide_routes():
        return [Route("/big", big)]
    """
    async with (
        hub_with(tmp_path, {"timeout": 0.1, "keep_alive": 0.1}, big=big) as hub,
        connected(hub) as client,
    ):
        client.write(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        connections = hub.hub.kernel.connections
        async with asyncio.timeout(10):
            while len(connections):
                await asyncio.sleep(0.02)
                connections.sweep()


async def test_clients_beyond_the_limit_are_told_to_come_later(tmp_path: Path) -> None:
    async with hub_with(tmp_path, {"max_sessions": 1}, hello=HELLO) as hub:
        async with connected(hub) as first:
            assert (await first.ask()).code == 200
            async with connected(hub) as second:
                assert (await second.read()).code == 503
                assert await second.is_closed()
            assert (await first.ask()).code == 200
        async with asyncio.timeout(10):
            while len(hub.hub.kernel.connections):
                await asyncio.sleep(0.01)
        async with connected(hub) as third:
            assert (await third.ask()).code == 200


# -- the hub around it --------------------------------------------------------------------------------------


async def test_https_has_the_certificate_of_the_hub_and_a_proxy_speaks_for_its_clients(
    tmp_path: Path, certificate: TlsTable
) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "hello.py").write_text(HEAD + HELLO)
    listeners = {
        "https": {"protocol": "https", "bind": ["127.0.0.1:0"]},
        "proxied": {"protocol": "http", "bind": ["127.0.0.1:0"], "proxy_protocol": ["127.0.0.1"]},
    }
    tls = {"certificate": str(certificate.certificate), "key": str(certificate.key)}
    context = ssl.create_default_context(cafile=str(certificate.certificate))
    context.check_hostname = False
    async with running_hub(tmp_path, tables={"listeners": listeners, "tls": tls}, accounts=()) as hub:
        async with connected(hub, "https", context) as client:
            assert (await client.ask()).body == b"hello from hello to 127.0.0.1"
        async with connected(hub, "proxied") as client:
            client.write(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n")
            assert (await client.ask()).body == b"hello from hello to 192.0.2.7"


async def test_clients_by_a_unix_socket_and_by_ipv6_have_an_address(tmp_path: Path) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "hello.py").write_text(HEAD + HELLO)
    listener = {"protocol": "http", "bind": [f"unix:{tmp_path}/socket", "[::1]:0"]}
    async with running_hub(tmp_path, tables={"listeners": {"http": listener}}, accounts=()) as hub:
        port = next(each.socket.getsockname()[1] for each in hub.hub.bound if each.asked == ("::1", 0))
        unix = await asyncio.open_unix_connection(f"{tmp_path}/socket")
        for streams, host in ((unix, "127.0.0.1"), (await asyncio.open_connection("::1", port), "::1")):
            client = Client(*streams)
            assert (await client.ask()).body.decode() == f"hello from hello to {host}"
            client.writer.close()


async def test_a_client_that_takes_its_time_holds_up_no_reload(tmp_path: Path) -> None:
    takes = HELLO.replace("[Route(", "[Route('/take', hello, methods=('POST',)), Route(")
    async with hub_with(tmp_path, hello=takes) as hub, connected(hub) as client:
        client.write(b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        async with connected(hub) as other:
            assert (await other.ask()).code == 200
        old = hub.hub.kernel.generations.current
        (hub.plugins_dir / "hello.py").write_text(HEAD + takes.replace("hello from", "goodbye from"))
        await hub.hub.reload()
        assert hub.hub.kernel.generations.pinned(old) == 0
        client.write(b"b")
        assert (await client.read()).body == b"goodbye from hello to 127.0.0.1"


async def test_a_client_that_leaves_in_the_middle_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    takes = HELLO.replace('"/hello", hello', '"/hello", hello, methods=("POST",)')
    async with hub_with(tmp_path, hello=takes) as hub:
        capsys.readouterr()
        async with connected(hub) as client:
            client.write(b"POST /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
        async with asyncio.timeout(10):
            while hub.hub.kernel.sessions:
                await asyncio.sleep(0.01)
        assert capsys.readouterr().out == ""


async def test_a_request_under_way_is_answered_when_the_hub_stops(tmp_path: Path) -> None:
    slow = """
    BEGUN, GO = asyncio.Event(), asyncio.Event()

    async def wait():
        BEGUN.set()
        await GO.wait()
        return Response("still here")

    @hookimpl
    def provide_routes():
        return [Route("/wait", wait)]
    """
    async with hub_with(tmp_path, slow=slow) as hub, connected(hub) as client, connected(hub) as idle:
        module = sys.modules["hub_plugin_slow"]
        waiting = asyncio.create_task(client.ask("/wait"))
        await module.BEGUN.wait()
        stopping = asyncio.create_task(hub.hub.kernel.connections.drain(20))
        assert await idle.is_closed()
        module.GO.set()
        assert (await waiting).body == b"still here"
        assert await stopping == 0


async def test_requests_stand_in_the_trace(tmp_path: Path) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub, connected(hub) as client:
        await client.ask()
        (trace,) = hub.hub.kernel.sessions.values()
        assert trace.about.startswith("http from 127.0.0.1:")
        assert [record[2:6] for record in trace.records] == [
            ("session", "http", None, "opened"),
            ("hook", "provide_routes", "hello", "response"),
            ("command", "GET", None, "200"),
        ]


async def test_routes_that_nobody_can_ask_for_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plugins.d").mkdir(mode=0o700)
    (tmp_path / "plugins.d" / "hello.py").write_text(HEAD + HELLO)
    async with running_hub(tmp_path, accounts=()):
        assert "no listener speaks HTTP" in capsys.readouterr().out


async def test_listeners_come_and_go_with_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with hub_with(tmp_path, hello=HELLO) as hub, connected(hub) as client:
        assert (await client.ask()).code == 200
        path = tmp_path / "hub.toml"
        text = path.read_text()
        path.write_text(
            re.sub(
                r"^listeners = .*$",
                'listeners = {smtp = {protocol = "smtp", bind = ["127.0.0.1:0"]}}',
                text,
                flags=re.M,
            )
        )
        assert (await hub.hub.reload() or {})["errors"] == []
        assert [each.name for each in hub.hub.bound] == ["smtp"]
        assert "no listener speaks HTTP" in capsys.readouterr().out
        assert (await client.ask()).code == 200
