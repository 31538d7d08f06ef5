"""A pytest plugin for CPython as WebAssembly, which has no thread, no process, no socket and no TLS.

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
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import pytest
import requests  # noqa: F401 — finds out by itself that there is no TLS, before a stand-in takes the place

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
    """An event loop for one thread, which nobody needs to wake."""

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


ssl = ModuleType("ssl")
for name in ("SSLError", "SSLZeroReturnError", "SSLWantReadError", "SSLWantWriteError", "CertificateError"):
    setattr(ssl, name, type(name, (OSError,), {}))
no_tls = lacking("TLS", lambda: RuntimeError("no TLS"))
ssl.SSLContext = type("SSLContext", (), {"__init__": no_tls, "wrap_socket": no_tls})  # type: ignore[attr-defined]
ssl.create_default_context = no_tls  # type: ignore[attr-defined]
sys.modules["ssl"] = ssl

threading.Thread.start = lacking("a thread", lambda: RuntimeError("can't start new thread"))  # type: ignore[method-assign]
subprocess.Popen.__init__ = lacking("a process", lambda: OSError("no processes"))  # type: ignore[method-assign]
socket.socket.__init__ = lacking("a socket", lambda: OSError("no sockets"))  # type: ignore[method-assign]
os.fork = lacking("a process", lambda: OSError("no processes"))
asyncio.set_event_loop_policy(Policy())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    asked.clear()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and asked:
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, f"Skipped: asks for {asked[0]}")
    return report
