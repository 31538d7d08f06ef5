"""Firefox, driven through Marionette, its own remote protocol: no driver needs to be installed beside it.

A packet is the length of what follows, a colon, and JSON: ``[0, number, command, parameters]`` there and ``[1, number,
error, result]`` back; the commands are those of WebDriver.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

_PATIENCE = 60.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "network.proxy.type": 0,
    "browser.sessionstore.resume_from_crash": False,
    "dom.disable_open_during_load": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "browser.safebrowsing.downloads.remote.enabled": False,
}


class FirefoxError(Exception):
    """What Firefox answered to a command."""


class Firefox:
    """A session; its methods are named as selenium's are."""

    def __init__(self, port: int) -> None:
        self._socket = _connected(port)
        self._file = self._socket.makefile("rb")
        self._read()  # who it is
        self._number = 0
        self.execute("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "normal"}}})

    def __enter__(self) -> "Firefox":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()
        self._socket.close()

    def execute(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        self._number += 1
        packet = json.dumps([0, self._number, command, parameters or {}])
        self._socket.sendall(f"{len(packet.encode())}:{packet}".encode())
        _, _, error, result = self._read()
        if error:
            raise FirefoxError(f"{error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and result.keys() == {"value"} else result

    def _read(self) -> Any:
        length = b""
        while (octet := self._file.read(1)) != b":":
            assert octet, "Firefox has gone"
            length += octet
        return json.loads(self._file.read(int(length)))

    def get(self, url: str) -> None:
        self.execute("WebDriver:Navigate", {"url": url})

    def execute_script(self, script: str) -> Any:
        return self.execute("WebDriver:ExecuteScript", {"script": script, "args": [], "sandbox": None})

    def click(self, selector: str) -> None:
        found = self.execute("WebDriver:FindElement", {"using": "css selector", "value": selector})
        self.execute("WebDriver:ElementClick", {"id": found[_ELEMENT]})

    def back(self) -> None:
        self.execute("WebDriver:Back")

    def refresh(self) -> None:
        self.execute("WebDriver:Refresh")

    def delete_all_cookies(self) -> None:
        self.execute("WebDriver:DeleteAllCookies")

    @property
    def window_handles(self) -> list[str]:
        handles: list[str] = self.execute("WebDriver:GetWindowHandles")
        return handles

    @property
    def current_window_handle(self) -> str:
        handle: str = self.execute("WebDriver:GetWindowHandle")
        return handle

    def new_tab(self) -> str:
        handle: str = self.execute("WebDriver:NewWindow", {"type": "tab", "focus": True})["handle"]
        self.switch_to_window(handle)
        return handle

    def switch_to_window(self, handle: str) -> None:
        self.execute("WebDriver:SwitchToWindow", {"handle": handle, "focus": True})

    def close(self) -> None:
        self.execute("WebDriver:CloseWindow")


def _connected(port: int) -> socket.socket:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), _PATIENCE)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def firefox(more: Mapping[str, object] | None = None) -> Iterator[Firefox]:
    """A headless Firefox with a profile of its own, and with ``more`` preferences."""
    assert FIREFOX
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        preferences = {**_PREFERENCES, **(more or {}), "marionette.port": port}
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in preferences.items())
        Path(profile, "user.js").write_text("\n".join(lines), "utf-8")
        command = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", profile]
        environ = {"HOME": profile, "PATH": "/usr/bin:/bin"}
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ)
        try:
            with Firefox(port) as driven:
                yield driven
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_PATIENCE)
