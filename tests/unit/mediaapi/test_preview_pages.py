"""What is read of pages, honest and hostile ones."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.mediaapi.previews.open_graph import OEmbed, picture_of, preview_of
from components.mediaapi.previews.pages import read_page

HOSTILE = {
    "nested elements": "<div>" * 2_000_000,
    "nested formatting": "<b><p>" * 300_000,
    "formatting that differs": "".join(f"<font a={number}>" for number in range(50_000)),
    "ends without starts": "<p></div>" * 300_000,
    "tables": "<table><td>" * 300_000,
    "attributes": f"<div {' '.join(f'a{number}=1' for number in range(200_000))}>",
    "a long attribute": f'<a b="{"x" * 5_000_000}">',
    "attributes that do not end": '<a "' * 500_000,
    "comments that do not end": "<!--" * 1_000_000,
    "declarations": "<!DOCTYPE a [" + "<!ENTITY a 'b'>" * 200_000,
    "entities": "&" * 3_000_000,
    "properties": '<meta property="og:p" content="x">' * 200_000,
    "titles": "<title>x</title>" * 300_000,
    "text": "some text " * 500_000,
    "one word": "x" * 5_000_000,
    "headings": "<h1>x" * 500_000,
    "pictures": "<img src=x width=5 height=6>" * 200_000,
    "nothing": "\0" * 1_000_000,
}


def preview(html: str) -> dict[str, str]:
    return preview_of(read_page(html), OEmbed(), "")


def test_a_page_that_says_nothing_is_shown_by_its_title_and_text() -> None:
    html = """
        <html><head><title>Foo
          bar</title><style>p { color: red }</style></head>
        <body><!-- nobody sees this --><header>Menu</header>
        Some <b>bold</b> text.<br>A line.<p>A <a href="x">link</a>.</p>
        <script>alert(1)</script><nav>More</nav></body></html>
    """

    assert preview(html) == {
        "og:title": "Foo bar",
        "og:description": "Some bold text.\n\nA line.\n\nA link.",
    }


def test_a_long_text_is_cut_between_words() -> None:
    html = "".join(f"<p>{'word ' * 30}</p>" for _ in range(10))
    shown = preview(html)["og:description"]

    assert 200 <= len(shown) <= 501
    assert shown.endswith("word")
    one = preview(f"<p>{'word ' * 500}</p>")["og:description"]
    assert len(one) <= 501
    assert one.endswith("word…")
    assert preview("x" * 1000)["og:description"] == "x" * 500 + "…"


def test_a_page_without_title_has_its_first_heading() -> None:
    assert preview("<title> </title><h2>Second</h2><h1>First</h1>")["og:title"] == "First"
    assert preview("<h2>Second</h2>")["og:title"] == "Second"
    assert "og:title" not in preview("<h1><a href=x></a></h1>text")


def test_what_says_nothing_or_too_much_is_passed_over() -> None:
    html = """
        <meta property="og:description" content=""><meta name="description">
        <meta name="description" content="Finally!"><meta property="og:title" content="%s">
        <title>A title</title>
    """

    assert preview(html % ("x" * 1001)) == {
        "og:title": "A title",
        "og:description": "Finally!",
    }
    assert preview(f"<title>{'x' * 2000}</title>") == {}


def test_twitter_cards_are_for_what_open_graph_does_not_say() -> None:
    html = """
        <meta name="twitter:card" content="summary"><meta name="twitter:title" content="Card">
        <meta name="twitter:description" content="Card"><meta name="twitter:site" content="@site">
        <meta property="og:description" content="Graph"><meta name="twitter:image" content="c.png">
        <meta property="article:published_time" content="2026-04-07T10:07:37Z">
        <meta property="matrix:image:size" content="5"><meta property="other" content="no">
    """

    assert preview(html) == {
        "og:title": "Card",
        "og:description": "Graph",
        "og:site_name": "@site",
        "article:published_time": "2026-04-07T10:07:37Z",
    }
    assert picture_of(read_page(html)) == "c.png"


def test_of_several_pictures_the_one_that_is_named_and_then_the_largest_is_taken() -> None:
    images = """<img src="pixel.gif" width=1 height=1><img src="data:image/gif;base64,R0lG">
        <img src="some.png"><img src="small.png" width="20" height="20px">
        <img src="large.png" width="200" height="200"><nav><img src="menu.png"></nav>"""
    named = '<meta property="og:image" content="a.png"><meta property="og:image" content="b.png">'

    assert read_page(images).picture == "large.png"
    assert picture_of(read_page(images)) is None
    assert picture_of(read_page(named + images)) == "a.png"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_take_little_and_are_read_to_the_title(name: str) -> None:
    html = "<title>A title</title>" + HOSTILE[name]

    tracemalloc.start()
    facts = read_page(html)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert facts.title == "A title"
    assert len(facts.properties) <= 100
    assert len(facts.text) <= 501
    # The page itself is there twice, and its longest tag as a dictionary.
    assert peak < 12 * len(html) + 5_000_000


def test_a_document_reads_no_other_file() -> None:
    html = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><title>&b;</title><p>&b;</p>'

    assert "root" not in str(preview(html))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=200)
    | st.lists(
        st.sampled_from(
            [
                *("<title>", "</title>", "<p", ">", "</p>", "<!--", "<script>", "x", "&#0;"),
                *('<meta name="description" content="', '">', "<svg>", "\ud800", "\0", "&#xD800;"),
            ]
        )
    ).map("".join)
)
def test_whatever_is_read_says_something_short(html: str) -> None:
    shown = preview(html)

    assert set(shown) <= {"og:title", "og:description"}
    assert all(0 < len(value) <= 1000 for value in shown.values())
    str(shown).encode()
