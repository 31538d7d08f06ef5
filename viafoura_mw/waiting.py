"""Waiting on an event loop, asyncio's or trio's, for what threads do and for time to pass."""

import asyncio
import contextlib
import contextvars
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


async def taking(lock: anyio.Lock) -> None:
    """Take a lock; one that is free is taken without a turn of the event loop."""
    try:
        lock.acquire_nowait()
    except anyio.WouldBlock:
        await lock.acquire()


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
        self._handle: asyncio.TimerHandle | asyncio.Future[None] = loop.call_later(delay, self._begin)

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
