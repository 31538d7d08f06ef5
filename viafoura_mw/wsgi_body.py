"""What a WSGI server iterates: an application's iterable, from which chunks are pulled until the head may leave.

An iterable of which nothing is changed, and which can begin anew, goes to the server as the very object that it is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import SEEK_END, IOBase
from typing import Any, Protocol

from viafoura_mw.response.headers import BUFFERS, LISTS


class Response(Protocol):
    """The response whose body it is."""

    @property
    def ready(self) -> deque[bytes]:
        """What may leave of the body and has not."""

    @property
    def has_head_left(self) -> bool:
        """Whether the head is with the server."""

    @property
    def file_wrapper(self) -> Any:
        """What the server offers for files."""

    @property
    def is_settled(self) -> bool:
        """Whether all that is still to come passes as it comes."""

    @property
    def is_untouched(self) -> bool:
        """Whether the head has left, and the body is to leave without anything before, within or behind it."""

    @property
    def is_body_changed(self) -> bool:
        """Whether some of the body is not the application's own, or has left already."""

    @property
    def may_owe_calls(self) -> bool:
        """Whether there is something to do once the body has left."""

    def take(self, chunk: Any, *, last: bool = False) -> None:
        """Take the next chunk of the body; what may leave then is ``ready``."""

    def exhausted(self) -> None:
        """Take the end of the application's iterable."""

    def end(self) -> None:
        """Let go of what is held, where the application is done before its response is complete."""

    def close(self) -> None:
        """Give back what was held, and make the calls that are owed."""


def body_of(response: Response, iterable: Any) -> Iterable[bytes]:
    """What the server iterates: the application's own iterable, if nothing of it is changed and it can begin anew."""
    if isinstance(iterable, BUFFERS):
        iterable = [bytes(iterable)]  # uWSGI takes a string for its one chunk
    if not (hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__")):
        response.end()  # None, or a server's own word for "it is done": the server knows what it means
        response.close()
        return iterable  # type: ignore[no-any-return]
    body = Body(response, iterable)
    is_list = isinstance(iterable, LISTS)
    file = None if is_list else _file_behind(iterable, response.file_wrapper)
    try:
        body.pull_head()
    except BaseException:  # the server refuses the head, and has nothing that it could close
        body.close()
        raise
    if body.is_as_it_came:
        if is_list:
            return Chunks(iterable, body.close) if response.may_owe_calls else iterable
        if file is not None and not response.may_owe_calls and _is_rewound(*file):
            return iterable  # type: ignore[no-any-return]
        return _OneChunk(body) if body.is_one_chunk else body
    if is_list and body.has_come:
        owes_nothing = iterable.__class__ in LISTS and not response.may_owe_calls  # no list has a close of its own
        return [*response.ready] if owes_nothing else Chunks(response.ready, body.close)
    return body


def _file_behind(iterable: Any, wrapper: Any) -> tuple[Any, int] | None:
    """The file that an iterable reads, and where it stands; ``None`` if there is none that could be read anew.

    Servers know the iterables of their ``wsgi.file_wrapper`` again: they send the file themselves, or take the length
    from it. uWSGI's wrapper gives the file.
    """
    if isinstance(wrapper, type) and isinstance(iterable, wrapper):
        file = getattr(iterable, "filelike", None) or getattr(iterable, "file", None)  # waitress calls it "file"
    else:
        file = iterable if isinstance(iterable, IOBase) else None
    try:
        return None if file is None else (file, file.tell())
    except Exception:  # a pipe, or something else that only reads
        return None


def _is_rewound(file: Any, place: int) -> bool:
    try:
        file.seek(0, SEEK_END)  # to the place alone might not move the descriptor, by which servers send
        file.seek(place)
    except Exception:
        return False
    return True


def _has_one(iterable: Iterable[bytes]) -> bool:
    """Whether it says that it has one chunk; one that cannot say so may have any number."""
    try:
        return len(iterable) == 1  # type: ignore[arg-type]
    except Exception:
        return False


class Chunks(list[bytes]):
    """An application's list as it came, after which there is something to do; servers ask a list for its length."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]) -> None:
        super().__init__(chunks)
        self.close = close


class _OneChunk:
    """A body that says that it has one chunk, as the application's iterable does: servers take its length then."""

    __slots__ = ("_body", "close")

    def __init__(self, body: "Body") -> None:
        self._body = body
        self.close = body.close

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return self._body


class Body:
    """An application's iterable, from which chunks are pulled until the head may leave, and then as the server asks."""

    __slots__ = ("_ended", "_error", "_iterable", "_iterator", "_response", "is_one_chunk")

    def __init__(self, response: Response, iterable: Iterable[bytes]) -> None:
        self._response = response
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None
        self.is_one_chunk: bool = _has_one(iterable)
        self._ended = False
        self._error: BaseException | None = None

    @property
    def is_as_it_came(self) -> bool:
        """Whether the body is the application's own, from its first chunk on."""
        response = self._response
        if response.is_body_changed or self._error is not None:
            return False
        return response.is_settled

    @property
    def has_come(self) -> bool:
        """Whether all of the body is ready to leave, or has left."""
        response = self._response
        is_whole = self.is_one_chunk and self._iterator is not None and self._error is None
        return is_whole and response.has_head_left and response.is_settled

    def pull_head(self) -> None:
        """Pull chunks until the head has been given to the server, or cannot be."""
        while not (self._response.has_head_left or self._ended or self._error or self._response.ready):
            self._pull()

    def _pull(self) -> None:
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
            chunk = next(self._iterator)
        except StopIteration:
            self._ended = True
            self._response.exhausted()
        except BaseException as error:
            self._error = error
            with suppress(Exception):  # what the application raised is what is to be seen
                self._response.end()
        else:
            self._response.take(chunk, last=self.is_one_chunk)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        ready = self._response.ready
        while not ready:
            if self._error is not None:
                error, self._error, self._ended = self._error, None, True
                raise error
            if self._ended:
                raise StopIteration
            if self._iterator is not None and self._response.is_untouched:
                return next(self._iterator)
            self._pull()
        return ready.popleft()

    def raise_error(self) -> None:
        """Raise what the application raised while it was pulled."""
        if self._error is not None:
            raise self._error

    def close_application(self) -> None:
        """Close the application's iterable (PEP 3333: whether or not it was exhausted)."""
        if hasattr(self._iterable, "close"):
            self._iterable.close()

    def close(self) -> None:
        """Close the application's iterable, and give back what was held."""
        try:
            self.close_application()
        finally:
            self._response.close()
