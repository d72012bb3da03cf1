"""In which charset a page is read."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.mediaapi.previews.charsets import decoded

RUSSIAN = "<title>дка</title>"


def meta(charset: str) -> bytes:
    return f'<meta charset="{charset}">'.encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (RUSSIAN.encode(), "text/html"),
        (RUSSIAN.encode("windows-1251"), 'text/html; charset="windows-1251"'),
        (RUSSIAN.encode("windows-1251"), "text/html; CHARSET = windows-1251;"),
        (meta("windows-1251") + RUSSIAN.encode("windows-1251"), "text/html"),
        (meta("Windows-1251") + RUSSIAN.encode("windows-1251"), "text/html; charset=utf8"),
        (
            b"< meta http-equiv=Content-Type content='text/html; charset = koi8-r'>"
            + RUSSIAN.encode("koi8-r"),
            "text/html",
        ),
        (b'<?xml version="1.0" encoding="koi8-r"?>' + RUSSIAN.encode("koi8-r"), "text/html"),
        (codecs.BOM_UTF8 + RUSSIAN.encode(), "text/html; charset=koi8-r"),
        (codecs.BOM_UTF16_LE + RUSSIAN.encode("utf-16-le"), "text/html"),
        (codecs.BOM_UTF16_BE + RUSSIAN.encode("utf-16-be"), "text/html"),
        (meta("utf-7") + RUSSIAN.encode(), "text/html; charset=invalid"),
        (RUSSIAN.encode() + "д".encode()[:1], "text/html"),
    ],
)
def test_a_page_is_read_as_it_says_or_as_its_bytes_show(body: bytes, content_type: str) -> None:
    assert RUSSIAN in decoded(body, content_type)


@pytest.mark.parametrize("charset", ["", "invalid", "utf-8", "unicode_escape", "ascii"])
def test_what_fits_nothing_is_read_as_browsers_do(charset: str) -> None:
    assert decoded(b"\xf3 \x93 \x81", f"text/html; charset={charset}")[:3] == "ó “"


@pytest.mark.parametrize("charset", ["idna", "punycode", "hex", "zlib", "rot13", "utf-7", "mbcs"])
def test_codecs_that_are_no_charsets_are_not_used(charset: str) -> None:
    body = b"-" + b"a" * 1_000_000

    assert decoded(body, f"text/html; charset={charset}") == body.decode()


@given(st.binary(max_size=200), st.text(max_size=100))
def test_whatever_comes_is_read_somehow(body: bytes, content_type: str) -> None:
    decoded(body, content_type)
    decoded(b"<meta charset=" + body, content_type)
