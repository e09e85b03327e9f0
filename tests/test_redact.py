"""No secret passes, and ordinary text does."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import threading
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_magic.redact import MASK, RedactingFilter, Redactor, redact, redact_exception

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\nabc+/=\n-----END RSA PRIVATE KEY-----"
SHAPES = {
    "databricks": "dapi0123456789abcdef0123456789abcdef",
    "databricks with a number": "dapi9f8e7d6c5b4a39281706f5e4d3c2b1a0-2",
    "databricks oauth": "dose0123456789abcdef0123456789abcdef",
    "github classic": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github server": "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    "github user": "ghu_16C7e42F292c6912E7710c838347Ae178B4a",
    "github fine": "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789",
    "openai": "sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD",
    "openai project": "sk-proj-abc_DEF-ghijklmnopqrstuvwxyz0123456789",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "private key": KEY,
    "half a private key": KEY[:60],
}


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize(
    "around", ["{}", "a {} b", '{{"t":"{}"}}', "x={}&y=1", "({})", "'{}'", "line\n{}\nline", "{},{}"]
)
def test_shapes(name: str, around: str) -> None:
    """Every well-known token is removed, in any surroundings, and the surroundings stay."""
    secret = SHAPES[name]
    text = around.format(secret, secret)
    cleaned = redact(text)
    assert secret not in cleaned and MASK in cleaned
    assert max((part for part in secret.replace("\n", "-").split("-") if part), key=len) not in cleaned
    if "half" not in name:
        assert cleaned == around.format(MASK, MASK)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("postgresql://ada:pa55@db:5432/x", f"postgresql://ada:{MASK}@db:5432/x"),
        ("https://user:a%40b@host/p?q=1", f"https://user:{MASK}@host/p?q=1"),
        ("https://:token@host", f"https://:{MASK}@host"),
        ("postgresql+psycopg://ada:p@ss@db/x", f"postgresql+psycopg://ada:{MASK}@db/x"),
        ("Authorization: Bearer abcdefgh12345", f"Authorization: Bearer {MASK}"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==", f"authorization: Basic {MASK}"),
        ("bearer abcdefgh.ijkl-mn_op", f"bearer {MASK}"),
        ("password=hunter22 host=db", f"password={MASK} host=db"),
        ("'client_secret': 'abcdef123'", f"'client_secret': '{MASK}'"),
        ("?access_token=abcdefgh&x=1", f"?access_token={MASK}&x=1"),
        ("OPENAI_API_KEY=abcdefgh", f"OPENAI_API_KEY={MASK}"),
    ],
)
def test_places(text: str, cleaned: str) -> None:
    """What stands where secrets stand is removed; the rest of the line stays readable."""
    assert redact(text) == cleaned
    assert redact(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "a sketch of sk-ipping; task-force; risk-averse",
        "SELECT o_orderkey FROM samples.tpch.orders WHERE o_totalprice > 100",
        "https://host:8080/path?x=1",
        "ada@example.org wrote to bob@example.org",
        "see https://example.org/@ada and http://localhost:15002",
        "the bearer of this letter",
        "dapi is a prefix, ghp_ too",
        "0123456789abcdef0123456789abcdef01234567",
        "tokens: 5, key: o_orderkey",
        "",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Text without secrets is not torn."""
    assert redact(text) == text


@given(
    st.text(min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_registered_values(secret: str, before: str, after: str) -> None:
    """A registered value is removed as it is, in a URL, in JSON, in Python's repr and in base64."""
    redactor = Redactor([secret])
    forms = [secret, quote(secret, safe=""), json.dumps(secret), repr(secret)]
    forms.append(base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode())
    for form in forms:
        cleaned = redactor.redact(f"{before}\x01{form}\x01{after}")
        assert form.strip("\"'=") not in cleaned.split("\x01", 1)[1].rsplit("\x01", 1)[0]


def test_registering() -> None:
    """None, empty and very short values are passed over; the password inside a URL counts by itself."""
    redactor = Redactor([None, "", "abc", "postgresql://ada:s3cret%21pass@db/x"])
    assert redactor.redact("abc none") == "abc none"
    assert redactor.redact("it is s3cret!pass or s3cret%21pass") == f"it is {MASK} or {MASK}"
    redactor.register(["another-value", "another-value-that-is-longer"])
    assert redactor.redact("another-value-that-is-longer another-value") == f"{MASK} {MASK}"
    assert "another" not in repr(redactor) and "s3cret" not in repr(vars(redactor).keys())


def test_threads_register_at_once() -> None:
    """Nothing that was registered gets lost."""
    redactor = Redactor()
    threads = [threading.Thread(target=redactor.register, args=([f"secret-number-{n}"],)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(redactor.redact(f"secret-number-{n}") == MASK for n in range(30))


@given(st.text("a-/:@.=_ Bbearsk\n'\"", max_size=300))
def test_idempotent(text: str) -> None:
    """Redacting twice is redacting once."""
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "unit", ["a", "://a:", "eyJaaaaaaa.", "bearer ", "-----BEGIN PRIVATE KEY-----", "password=", "sk-", "@"]
)
def test_long_hostile_text_is_fast(unit: str) -> None:
    """A megabyte made to make a pattern stumble takes well under a second a pattern."""
    text = unit * (1_000_000 // len(unit))
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 5


# --- logging and exceptions ------------------------------------------------------------------------------------------

TOKEN = SHAPES["github classic"]


@pytest.fixture
def logged() -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(extra)s", defaults={"extra": ""}))
    handler.addFilter(RedactingFilter())
    logger = logging.getLogger("tests.redact")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    return logger, stream


def test_log_records(logged: tuple[logging.Logger, io.StringIO]) -> None:
    """Message, arguments, extras, traceback and stack of a record are cleaned."""
    logger, stream = logged
    logger.info("use %s and %r", TOKEN, {"token": TOKEN})
    logger.info(TOKEN, extra={"extra": TOKEN}, stack_info=True)
    try:
        try:
            raise ValueError(f"first {TOKEN}")
        except ValueError as error:
            raise RuntimeError(f"second {TOKEN}") from error
    except RuntimeError:
        logger.exception("failed")
    text = stream.getvalue()
    assert TOKEN not in text
    assert text.count(MASK) >= 5
    assert "RuntimeError: second" in text and "ValueError: first" in text and "Stack (most recent" in text


def test_log_call_that_does_not_fit(
    logged: tuple[logging.Logger, io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that do not fit the format are neither printed raw nor lost with an error."""
    logger, stream = logged
    logger.info("%d things", TOKEN)
    assert TOKEN not in stream.getvalue() + capsys.readouterr().err
    assert "things" in stream.getvalue()


def test_second_handler_sees_clean_records(logged: tuple[logging.Logger, io.StringIO]) -> None:
    """After the filter no raw exception hangs on the record for another handler to print."""
    logger, _ = logged
    kept: list[logging.LogRecord] = []
    late = logging.Handler()
    late.emit = kept.append  # type: ignore[method-assign]
    logger.addHandler(late)
    try:
        raise ValueError(TOKEN)
    except ValueError:
        logger.exception("failed %s", TOKEN)
    assert TOKEN not in repr(vars(kept[0]))


def test_exceptions() -> None:
    """An error's text, and its whole traceback with causes, come without secrets."""
    try:
        try:
            raise ValueError(f"connect {TOKEN}")
        except ValueError:
            raise RuntimeError(f"https://ada:{'x' * 10}@host") from None
    except RuntimeError as error:
        assert redact_exception(error) == f"RuntimeError: https://ada:{MASK}@host"
        whole = redact_exception(error, trace=True)
    assert "Traceback" in whole and "x" * 10 not in whole and TOKEN not in whole
    assert redact_exception(ValueError(TOKEN)) == f"ValueError: {MASK}"


def test_imports_the_standard_library_only() -> None:
    """Every room may import it, the cheapest too."""
    import pipeline_magic.redact as module

    names = {value.__name__.partition(".")[0] for value in vars(module).values() if isinstance(value, type(sys))}
    assert names <= sys.stdlib_module_names
