"""What comes from a socket, bounded as a whole: one deadline, one number of bytes.

A socket's own timeout bounds each read. A peer that drips bytes, that sends interim answers, header fields or chunk
extensions without end, would hold a thread for as long as it likes.
"""

import contextlib
import io
import socket
import time
from typing import Any, Final

#: Bytes of one answer, all told: interim answers, the head, what frames the body, and the body.
MAX_READ: Final = 262_144


class TooLong(OSError):
    """More bytes came than any answer needs."""


class BoundedReads(io.RawIOBase):
    """What comes from ``sock``, until the time that is left on ``sock`` now is over; at most ``most`` bytes.

    ``sock``: a socket, an ``ssl.SSLSocket``, or urllib3's TLS within TLS, which has the socket that carries it in an
    attribute of that name.
    """

    def __init__(self, sock: Any, most: int = MAX_READ) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)
        self._left = most
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._ended:
            return 0
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise TooLong
        return count

    def end(self) -> None:
        """Read nothing more from the socket."""
        self._ended = True

    def end_connection(self) -> None:
        """Shut the socket down: whoever looks at the connection before its next use then finds it closed."""
        with contextlib.suppress(OSError):
            getattr(self._sock, "socket", self._sock).shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._raw.close()
        super().close()


class AnswerFile(io.BufferedReader):
    """One answer's bytes. Bytes that came with the answer and are no part of it end the connection.

    Such bytes answer no request. If the connection were kept, the rest of them, once it comes, would be taken for the
    beginning of the next call's answer: another user's session.
    """

    def __init__(self, reads: BoundedReads) -> None:
        super().__init__(reads)
        self._reads = reads

    def close(self) -> None:
        if not self.closed:
            self._reads.end()  # or peek() would wait for more
            if self.peek(1):
                self._reads.end_connection()
        super().close()
