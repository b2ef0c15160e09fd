"""Lines for people and for machines, carrying whom they are about."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from hub.log import MESSAGE, SESSION, Form, configure, get_logger


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_json_line_carries_session_message_and_fixed_fields() -> None:
    out = io.StringIO()
    configure("info", "json", out)
    SESSION.set("s1")
    MESSAGE.set("m1")
    get_logger(plugin="clamav").warning("slow", seconds=1.5, what=object)
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "slow",
        "level": "warning",
        "plugin": "clamav",
        "session": "s1",
        "message": "m1",
        "seconds": 1.5,
        "what": "<class 'object'>",
    }


def test_lines_below_the_level_are_not_written() -> None:
    out = io.StringIO()
    configure("warning", "json", out)
    log = get_logger()
    log.debug("a")
    log.info("b")
    assert out.getvalue() == ""
    log.error("c")
    assert json.loads(out.getvalue())["event"] == "c"


def test_what_a_client_sent_cannot_move_the_operator_s_cursor() -> None:
    out = io.StringIO()
    configure("info", "console", out)
    get_logger().info("refused", name="\x1b[2Jevil\r\x07", text="two\nlines", fine="grüße")
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\\x1b[2Jevil\\r\\x07" in text
    assert "grüße" in text


def test_an_exception_has_its_traceback() -> None:
    out = io.StringIO()
    configure("info", "json", out)
    try:
        raise ValueError("boo")
    except ValueError:
        get_logger().error("failed", exc_info=True)
    assert "ValueError: boo" in json.loads(out.getvalue())["exception"]


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_variables(form: Form) -> None:
    out = io.StringIO()
    configure("info", form, out)
    log = get_logger()

    def fail(password: str) -> None:
        raise RuntimeError(f"{len(password)} letters")

    try:
        fail(" ".join(("correct", "horse")))
    except RuntimeError as error:
        log.error("no", exc_info=error)
    assert "13 letters" in out.getvalue()
    assert "correct horse" not in out.getvalue()


def test_other_libraries_come_out_the_same_way_from_warnings_on() -> None:
    out = io.StringIO()
    configure("debug", "json", out)
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("careful: %s", "x")
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"]) == ("careful: x", "warning")


def test_structlog_is_imported_with_the_first_line() -> None:
    script = (
        "import sys; from hub.log import get_logger; log = get_logger(area='x');"
        "assert 'structlog' not in sys.modules; log.info('hello'); assert 'structlog' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=30)
