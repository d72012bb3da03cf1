"""The trace that a request ID stands for."""

import pytest

from base.tracing import continued_request_id, trace_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_everybody_who_knows_a_request_derives_the_same_trace() -> None:
    assert trace_of("a1b2c3d4f") == trace_of("a1b2c3d4f")
    assert trace_of("a1b2c3d4f").trace_id != trace_of("a1b2c3d50").trace_id
    assert trace_of("a1b2c3d4f").caller_span_id is None


def test_the_lots_of_requests_are_spread() -> None:
    lots = [trace_of(f"a1b2c3d4{number:x}").lot for number in range(1000)]

    assert 0 <= min(lots) < max(lots) < 1
    assert 400 < sum(lot < 0.5 for lot in lots) < 600


def test_a_trace_that_began_elsewhere_goes_on() -> None:
    header = f"00-{TRACE}-{SPAN}-01".encode()
    first = trace_of(continued_request_id(header, 1))
    second = trace_of(continued_request_id(header, 2))

    assert first.trace_id == second.trace_id == int(TRACE, 16)
    assert first.caller_span_id == second.caller_span_id == int(SPAN, 16)
    assert first.root_span_id != second.root_span_id
    assert first.is_kept(0)
    assert not trace_of("a1b2c3d4f").is_kept(0)


def test_the_longest_request_id_fits_into_internal_calls() -> None:
    assert len(continued_request_id(f"00-{TRACE}-{SPAN}-01".encode(), 16**14 - 1)) == 64


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff" * 55,
        f"00-{TRACE}-{SPAN}-00".encode(),
        f"ff-{TRACE}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE.upper()}-{SPAN}-01".encode(),
        f"00-{TRACE}-{SPAN}-01-more".encode(),
    ],
)
def test_a_trace_that_is_not_kept_or_damaged_does_not_go_on(header: bytes) -> None:
    assert continued_request_id(header, 1) == ""
