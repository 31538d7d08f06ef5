"""Waiting on an event loop, asyncio's or trio's, for what threads do and for time to pass."""

import asyncio
import contextlib
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

import anyio

T = TypeVar("T")


async def result_within(seconds: float, future: "Future[T]") -> T | None:
    """The future's result, or ``None`` when so many seconds have passed without one, or it was cancelled.

    Blocks nothing.
    """
    if not future.done():
        event, wake = anyio.Event(), _waker()

        def on_done(_: "Future[T]") -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                wake(event.set)

        future.add_done_callback(on_done)
        with anyio.move_on_after(seconds):
            await event.wait()
    return future.result() if future.done() and not future.cancelled() else None


def _waker() -> Callable[[Callable[[], object]], object]:
    """What makes the running loop call a function, from any thread, without waiting for it."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon


class Lock:
    """Lets one task in at a time, in the order in which they came. To make it, or to take it free, costs nothing.

    anyio's own asks each time which event loop runs and who the task is, which is most of what a page costs here.
    """

    __slots__ = ("_is_taken", "_waiting")

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: deque[anyio.Event] | None = None

    @property
    def is_taken(self) -> bool:
        """Whether a task has it, or is to have it next."""
        return self._is_taken

    def take_if_free(self) -> bool:
        """Take it, if nobody has it."""
        if self._is_taken:
            return False
        self._is_taken = True
        return True

    async def take(self) -> None:
        """Take it; one that is free is taken without a turn of the event loop."""
        if self.take_if_free():
            return
        if self._waiting is None:
            self._waiting = deque()
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():  # the task was cancelled when its turn had come
                self.release()
            else:
                self._waiting.remove(turn)
            raise

    def release(self) -> None:
        """Give it to whoever has waited longest, or to nobody."""
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._is_taken = False


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Give it up; where it has begun, cancel it."""


def start_timer(delay: float, function: Callable[[], Awaitable[None]]) -> Timer:
    """Call ``function`` after ``delay`` seconds, beside the calling task and in its context; it must not raise."""
    try:
        return _AsyncioTimer(asyncio.get_running_loop(), delay, function)
    except RuntimeError:
        return _TrioTimer(delay, function)


class _AsyncioTimer:
    def __init__(self, loop: asyncio.AbstractEventLoop, delay: float, function: Callable[[], Awaitable[None]]) -> None:
        self._loop = loop
        self._function = function
        self._delay = delay
        # Not call_later at once, which costs more: most pages are complete before the loop's next turn.
        self._handle: asyncio.Handle | asyncio.Future[None] = loop.call_soon(self._wait)

    def _wait(self) -> None:
        self._handle = self._loop.call_later(self._delay, self._begin)

    def _begin(self) -> None:
        self._handle = asyncio.ensure_future(self._function(), loop=self._loop)

    def cancel(self) -> None:
        self._handle.cancel()


class _TrioTimer:
    def __init__(self, delay: float, function: Callable[[], Awaitable[None]]) -> None:
        import trio

        self._scope = trio.CancelScope()
        trio.lowlevel.spawn_system_task(self._run, delay, function, context=contextvars.copy_context())

    async def _run(self, delay: float, function: Callable[[], Awaitable[None]]) -> None:
        with self._scope:
            await anyio.sleep(delay)
            await function()

    def cancel(self) -> None:
        self._scope.cancel()
