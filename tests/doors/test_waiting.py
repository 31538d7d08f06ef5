"""Waiting on an event loop: for a thread's result, and for time to pass, on asyncio and on trio."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from viafoura_mw.waiting import Lock, result_within, start_timer

LONG = 600.0  # seconds; no test takes so long, whatever machine it runs on

both_loops = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(backend: str, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    return anyio.run(function, *args, backend=backend)


async def turns(count: int = 20) -> None:
    """Let whatever is ready go on."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


@both_loops
class TestResult:
    """:func:`result_within`."""

    def test_that_is_there_is_given_at_once(self, backend: str) -> None:
        """Even when there is no time left."""
        future: Future[str] = Future()
        future.set_result("done")
        assert run(backend, result_within, 0.0, future) == "done"

    def test_that_comes_from_a_thread_wakes_the_loop(self, backend: str) -> None:
        """The page goes on as soon as the thread is done."""
        with ThreadPoolExecutor() as pool:
            assert run(backend, result_within, LONG, pool.submit(lambda: "done")) == "done"

    def test_that_comes_while_it_is_waited_for_is_given(self, backend: str) -> None:
        """The thread is done only after the wait has begun; the loop does other things meanwhile."""
        future: Future[str] = Future()

        async def wait() -> str | None:
            async with anyio.create_task_group() as group:
                group.start_soon(settle)
                return await result_within(LONG, future)
            raise AssertionError  # no exception is swallowed

        async def settle() -> None:
            await turns()
            threading.Thread(target=future.set_result, args=("done",)).start()

        assert run(backend, wait) == "done"

    def test_serves_all_that_wait(self, backend: str) -> None:
        """One login's result is many pages'."""
        future: Future[str | None] = Future()
        results: list[str | None] = []

        async def wait() -> None:
            results.append(await result_within(LONG, future))

        async def wait_in_crowd() -> None:
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(wait)
                await turns()
                future.set_result("done")

        run(backend, wait_in_crowd)
        assert results == ["done"] * 10

    @pytest.mark.parametrize("seconds", [0.0, -1.0, 0.001])
    def test_that_does_not_come_in_time_is_none(self, backend: str, seconds: float) -> None:
        """The future goes on without the page."""
        future: Future[str] = Future()
        assert run(backend, result_within, seconds, future) is None
        assert not future.done()

    def test_that_was_cancelled_is_none(self, backend: str) -> None:
        """Before or while it is waited for."""
        before: Future[str] = Future()
        before.cancel()
        meanwhile: Future[str] = Future()

        async def wait() -> list[str | None]:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, meanwhile.cancel)
                return [await result_within(LONG, before), await result_within(LONG, meanwhile)]
            raise AssertionError  # no exception is swallowed

        assert run(backend, wait) == [None, None]

    def test_that_is_an_exception_is_raised(self, backend: str) -> None:
        """Whoever made the future says what it gives."""
        future: Future[str] = Future()
        future.set_exception(LookupError("why"))
        with pytest.raises(LookupError, match="why"):
            run(backend, result_within, LONG, future)

    def test_that_comes_when_the_loop_is_gone_hurts_nobody(
        self, backend: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A login may outlive the server: the thread that ends it gets no exception."""
        future: Future[str] = Future()
        run(backend, result_within, 0.0, future)
        future.set_result("late")
        assert not caplog.records  # concurrent.futures logs what a callback raises

    def test_that_nobody_waits_for_any_more_hurts_nobody(self, backend: str) -> None:
        """A client that leaves cancels the page; the wait is over and the future goes on."""
        future: Future[str] = Future()

        async def leave() -> bool:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(result_within, LONG, future)
                    await turns()
                    scope.cancel()
            future.set_result("late")
            await turns()
            return scope.cancelled_caught

        assert run(backend, leave)


@both_loops
class TestTimer:
    """:func:`start_timer`."""

    def test_calls_in_the_context_of_who_started_it(self, backend: str) -> None:
        """When its time has come; a site's context variables are there."""
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
        seen: list[str] = []

        async def wait() -> None:
            called = anyio.Event()

            async def call() -> None:
                seen.append(variable.get())
                called.set()

            variable.set("mine")
            start_timer(0.0, call)
            variable.set("changed")
            with anyio.fail_after(LONG):
                await called.wait()

        run(backend, wait)
        assert seen == ["mine"]

    def test_calls_nothing_once_it_is_cancelled(self, backend: str) -> None:
        """Before its time has come, however often."""
        calls: list[str] = []

        async def call() -> None:
            calls.append("called")

        async def wait() -> None:
            for timer in [start_timer(0.0, call), start_timer(LONG, call)]:
                timer.cancel()
                timer.cancel()
            await turns()

        run(backend, wait)
        assert not calls

    def test_gives_up_a_call_that_has_begun(self, backend: str) -> None:
        """It is cancelled where it waits."""
        steps: list[str] = []

        async def wait() -> None:
            begun, ended = anyio.Event(), anyio.Event()

            async def call() -> None:
                begun.set()
                try:
                    await anyio.sleep(LONG)
                    steps.append("woken")
                finally:
                    ended.set()

            timer = start_timer(0.0, call)
            with anyio.fail_after(LONG):
                await begun.wait()
                timer.cancel()
                await ended.wait()

        run(backend, wait)
        assert not steps

    def test_may_be_cancelled_when_it_is_over(self, backend: str) -> None:
        """As a response does at its end."""

        async def wait() -> None:
            called = anyio.Event()

            async def call() -> None:
                called.set()

            timer = start_timer(0.0, call)
            with anyio.fail_after(LONG):
                await called.wait()
            await turns()
            timer.cancel()

        run(backend, wait)

    def test_keeps_no_loop_from_ending(self, backend: str, caplog: pytest.LogCaptureFixture) -> None:
        """A server that shuts down does not wait for a page's timer, nor does it complain of one."""

        async def call() -> None:
            await anyio.sleep(LONG)

        async def leave() -> None:
            start_timer(LONG, call)
            start_timer(0.0, call)
            await turns()

        with caplog.at_level(logging.WARNING):
            run(backend, leave)
        assert not caplog.records


@both_loops
class TestLock:
    """Lets one task in at a time."""

    def test_is_given_to_whoever_has_waited_longest(self, backend: str) -> None:
        """Messages leave in the order in which they came."""
        order: list[int] = []

        async def wait() -> None:
            lock = Lock()

            async def enter(number: int) -> None:
                await lock.take()
                order.append(number)
                await turns()
                lock.release()

            async with anyio.create_task_group() as tasks:
                await lock.take()
                for number in range(3):
                    tasks.start_soon(enter, number)
                    await turns()
                assert not lock.take_if_free()
                lock.release()
            assert lock.take_if_free()

        run(backend, wait)
        assert sorted(order) == order == [0, 1, 2]

    @pytest.mark.parametrize("has_turn", [False, True], ids=["before its turn", "as its turn comes"])
    def test_is_not_lost_by_a_task_that_is_cancelled(self, backend: str, has_turn: bool) -> None:
        """The next one has it, or nobody."""

        async def wait() -> None:
            lock, entered = Lock(), []

            async def enter(number: int, scope: anyio.CancelScope) -> None:
                with scope:
                    await lock.take()
                    entered.append(number)
                    lock.release()

            scopes = [anyio.CancelScope() for _ in range(2)]
            with anyio.fail_after(LONG):
                async with anyio.create_task_group() as tasks:
                    await lock.take()
                    for number, scope in enumerate(scopes):
                        tasks.start_soon(enter, number, scope)
                        await turns()
                    scopes[0].cancel()
                    if not has_turn:
                        await turns()
                    lock.release()
            assert entered == [1]
            assert lock.take_if_free()

        run(backend, wait)


def test_imports_no_trio_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site on asyncio need not have it."""
    monkeypatch.setitem(__import__("sys").modules, "trio", None)

    async def call() -> None: ...

    async def wait() -> None:
        start_timer(LONG, call).cancel()
        assert await result_within(0.0, Future()) is None

    asyncio.run(wait())
