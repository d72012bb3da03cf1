"""URLs that settings name."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from components.mediaapi.previews.patterns import UrlPatterns


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("example.com", "http://example.com/any"),
        ("example.com", "https://EXAMPLE.com.:8443/"),
        ("*.example.com", "https://a.b.example.com/"),
        ("http://*", "http://example.com/"),
        ("https://example.com/*", "https://example.com:443/a?b"),
        ("*/private/*", "https://example.com/private/a"),
        ("*/private/*", "https://example.com/priv%61te/a"),
        ("*://*/*.PDF", "https://example.com/a.pdf"),
        ("*:8080/*", "http://example.com:8080/"),
    ],
)
def test_a_pattern_matches_hosts_or_whole_urls(pattern: str, url: str) -> None:
    assert UrlPatterns([pattern]).match(URL(url))


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("example.com", "http://www.example.com/"),
        ("*.example.com", "http://example.com/"),
        ("https://*", "http://example.com/"),
        ("https://example.com/*", "https://example.com.test/"),
        ("*/private/*", "https://example.com/public/private"),
    ],
)
def test_other_urls_are_not_matched(pattern: str, url: str) -> None:
    assert not UrlPatterns([pattern]).match(URL(url))


@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", min_size=1, max_size=8))
def test_a_star_stands_for_any_characters(pattern: str, host: str) -> None:
    expected = re.fullmatch(pattern.replace("*", ".*"), host) is not None

    assert UrlPatterns([pattern]).match(URL.build(scheme="http", host=host)) == expected


def test_many_stars_take_no_longer() -> None:
    assert not UrlPatterns(["*a" * 500 + "/b"]).match(URL("http://x/" + "a" * 8000))
