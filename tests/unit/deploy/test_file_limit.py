"""How many connections a server process may have."""

import resource
from collections.abc import Iterator

import pytest

from deploy.process.file_limit import connections_of
from deploy.settings import ListenerSettings


@pytest.fixture(name="file_limit")
def fixture_file_limit() -> Iterator[int]:
    """Give the limit that a process begins with; the limit is put back in the end."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    begins_with = min(before[0], 512)
    resource.setrlimit(resource.RLIMIT_NOFILE, (begins_with, before[1]))
    yield begins_with
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def listeners(*max_connections: int) -> list[ListenerSettings]:
    return [
        ListenerSettings(port=8000 + number, max_connections=one)
        for number, one in enumerate(max_connections)
    ]


def test_a_process_takes_the_files_that_its_connections_need(file_limit: int) -> None:
    connections = connections_of(listeners(1000, 100))

    assert [*connections.values()] == [100, 1000]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 1612 > file_limit


@pytest.mark.usefixtures("file_limit")
def test_listeners_share_what_the_system_allows(caplog: pytest.LogCaptureFixture) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    connections = connections_of(listeners(hard, hard, 50))

    assert sorted(connections.values()) == [50, *[(hard - 512 - 50) // 2] * 2]
    assert "Fewer connections" in caplog.text
