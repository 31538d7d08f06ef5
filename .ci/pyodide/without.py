"""A pytest plugin for CPython as WebAssembly, which has no thread, no process, no socket, no TLS, no compiled package.

A test that fails after it asked for one of them counts as skipped, by the name of what it asked for.
"""

import asyncio
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from types import ModuleType
from typing import Any

import pytest
import requests  # noqa: F401  # finds out by itself that there is no TLS, before a stand-in takes its place

asked: list[str] = []


def lacking(what: str, error: Callable[[], Exception]) -> Callable[..., Any]:
    """A function that notes what was asked for, and fails as CPython does there."""

    def refuse(*_: object, **__: object) -> Any:
        asked.append(what)
        raise error()

    return refuse


class Selector(selectors._BaseSelectorImpl):  # type: ignore[name-defined,misc]
    """Nothing to select from: time passes."""

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            asked.append("a thread")
            raise RuntimeError("nothing would ever wake this loop")
        time.sleep(max(timeout, 0))
        return []


class Loop(asyncio.SelectorEventLoop):
    """An event loop of the one thread, which nobody needs to wake."""

    def __init__(self) -> None:
        super().__init__(Selector())

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop


class NoTls(type):
    """Whatever is wanted of a TLS context."""

    def __getattr__(cls, name: str) -> Any:
        return lacking("TLS", lambda: RuntimeError("no TLS"))


ssl = ModuleType("ssl")
for name in ("SSLError", "SSLEOFError", "SSLZeroReturnError", "SSLWantReadError", "SSLWantWriteError"):
    setattr(ssl, name, type(name, (OSError,), {}))
ssl.SSLContext = NoTls("SSLContext", (), {})  # type: ignore[attr-defined]
ssl.__getattr__ = lacking("TLS", lambda: AttributeError("no TLS"))  # type: ignore[method-assign]
sys.modules["ssl"] = ssl

threading.Thread.start = lacking("a thread", lambda: RuntimeError("can't start new thread"))  # type: ignore[method-assign]
subprocess.Popen.__init__ = lacking("a process", lambda: OSError("no processes"))  # type: ignore[method-assign]
socket.socket.__init__ = lacking("a socket", lambda: OSError("no sockets"))  # type: ignore[method-assign]
os.fork = os.execv = os.execve = lacking("a process", lambda: OSError("no processes"))
# pyodide's own loop counts as running all the time, and cannot run until something is complete.
asyncio._set_running_loop(None)
asyncio.set_event_loop_policy(Policy())


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Each test asks anew."""
    asked.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure for want of something is a skip."""
    report = yield
    wanted = [*asked]
    for error in causes(call.excinfo.value if call.excinfo else None):
        if isinstance(error, ModuleNotFoundError) and not (error.name or "viafoura_mw").startswith("viafoura_mw"):
            wanted.append(f"the package {error.name}")
    if report.failed and wanted:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: asks for {wanted[0]}")
    return report
