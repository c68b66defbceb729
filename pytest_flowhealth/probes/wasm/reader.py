"""Bytes and LEB128 numbers of a WebAssembly module, read with every end in view.

WebAssembly Core Specification 2.0, 5.2 (values).
"""

from __future__ import annotations


class Malformed(ValueError):
    """The bytes are no WebAssembly module; the message says why."""


class ByteReader:
    """Reads a section or a function's body from its beginning to its end."""

    __slots__ = ("_content", "_end", "place")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._end = len(content)
        self.place = 0

    @property
    def done(self) -> bool:
        """Whether everything was read."""
        return self.place >= self._end

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            Malformed: There is none.
        """
        if self.place >= self._end:
            raise Malformed("it ends too early")
        value = self._content[self.place]
        self.place += 1
        return value

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes.

        Raises:
            Malformed: There are fewer.
        """
        if count > self._end - self.place:
            raise Malformed("it ends too early")
        taken = self._content[self.place : self.place + count]
        self.place += count
        return taken

    def unsigned(self) -> int:
        """Return an unsigned LEB128 number of at most 64 bits.

        Raises:
            Malformed: It does not end.
        """
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Malformed("a number does not end")

    def signed(self) -> None:
        """Pass over a signed LEB128 number: nobody needs its value.

        Raises:
            Malformed: It does not end.
        """
        self.unsigned()
