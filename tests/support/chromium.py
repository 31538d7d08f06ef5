"""Chromium, driven: for the browser tests and for the README's pictures."""

import contextlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


def missing() -> str:
    """What of Chromium, its driver and selenium is not here; empty where all are."""
    here = {"chromium": BROWSER, "chromedriver": DRIVER, "selenium": importlib.util.find_spec("selenium")}
    return ", ".join(name for name, found in here.items() if not found)


_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
)


@contextlib.contextmanager
def chromium(width: int = 1280, height: int = 900, *, preferences: Mapping[str, object] | None = None) -> Iterator[Any]:
    """A headless Chromium with a profile of its own, driven by selenium; it keeps what its console says."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    assert BROWSER
    assert DRIVER
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = BROWSER
        options.add_experimental_option("prefs", dict(preferences or {}))
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        driver = Chrome(options, Service(DRIVER))
        try:
            yield driver
        finally:
            driver.quit()
