"""Answers leave in one piece: one system call for the server, one packet for the client."""

import asyncio
from typing import Any


class JoiningTransport(asyncio.Transport):
    """Holds back the head of an answer until its body, or its end, goes out with it."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head: bytes | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, unless it is the head of an answer."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.writelines((head, data))
        elif data[:9] == b"HTTP/1.1 " and data[9:10] != b"1":
            self._head = bytes(data)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Send the head that was held back, if there is one."""
        if self._head is not None:
            self.write(b"")

    def write_eof(self) -> None:
        """Say that nothing more is sent."""
        self.flush()
        self._transport.write_eof()

    def can_write_eof(self) -> bool:
        """Whether the connection can be ended in one direction alone."""
        return self._transport.can_write_eof()

    def close(self) -> None:
        """Close when everything has been sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closing or closed."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Receive nothing for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Receive again."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection."""
        return self._transport.get_extra_info(name, default)
