"""Somebody at a browser that is driven, Chromium or Firefox, on a page with the simulated script."""

import contextlib
import json
import time
from typing import Any, Protocol

from tests.support.bridge_site import PATIENCE, Site


class Driven(Protocol):
    """The few things that both browsers' drivers do alike."""

    current_window_handle: Any
    window_handles: Any

    def get(self, url: str) -> Any: ...
    def execute_script(self, script: str) -> Any: ...
    def back(self) -> Any: ...
    def refresh(self) -> Any: ...
    def delete_all_cookies(self) -> Any: ...
    def close(self) -> Any: ...


class Reader:
    """What somebody does, and what the present tab shows."""

    def __init__(self, driver: Any, name: str) -> None:
        self.driver = driver
        self.name = name

    # What they do.

    def opens(self, url: str) -> None:
        self.driver.get(url)

    def signs_in(self, site: Site, reader: str) -> None:
        self.opens(site.sign_in(reader))

    def clicks(self, selector: str) -> None:
        """A click as a person's, which the browser trusts."""
        if self.name == "firefox":
            self.driver.click(selector)
        else:
            self.driver.find_element("css selector", selector).click()

    def goes_back(self) -> None:
        self.driver.back()

    def opens_tab(self, url: str) -> str:
        """Open a tab, go there, and give the tab that was left."""
        left: str = self.driver.current_window_handle
        if self.name == "firefox":
            self.driver.new_tab()
        else:
            self.driver.switch_to.new_window("tab")
        self.opens(url)
        return left

    def returns_to(self, tab: str) -> None:
        if self.name == "firefox":
            self.driver.switch_to_window(tab)
        else:
            self.driver.switch_to.window(tab)

    def forgets(self, site: Site) -> None:
        """Begin anew: one tab, no cookie."""
        first, *others = self.driver.window_handles
        for tab in others:
            self.returns_to(tab)
            self.driver.close()
        self.returns_to(first)
        self.opens(site.url + "/empty")
        self.driver.delete_all_cookies()
        self.console()

    def touches(self) -> None:
        """Touch the page, as somebody who reads it."""
        self.clicks("#touch")

    def logs_out_in_the_widget(self) -> None:
        self.waits("document.querySelector('.viafoura-log-out')")
        self.clicks(".viafoura-log-out")

    def signs_in_in_the_widget(self) -> None:
        self.waits("document.querySelector('.viafoura-sign-in')")
        self.clicks(".viafoura-sign-in")

    def looks_again_after_a_minute(self) -> None:
        """Go to another tab and come back; the page's clock has gone on meanwhile."""
        self.runs("const now = Date.now; Date.now = () => now() + 61000")
        here = self.opens_tab("about:blank")
        self.driver.close()
        self.returns_to(here)

    # What they see.

    def runs(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def evaluates(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    def waits(self, expression: str) -> Any:
        """Wait until an expression is true in the page, whichever page that is by then; give its value."""
        until = time.monotonic() + PATIENCE
        while True:
            value = None
            with contextlib.suppress(Exception):  # the page is being left, or has not come so far
                value = self.evaluates(expression)
            if value:
                return value
            assert time.monotonic() < until, f"never: {expression}; {self.shown()}"
            time.sleep(0.02)

    def shown(self) -> str:
        """What the page has to say, for a test that fails."""
        return json.dumps(self.evaluates("[location.href, window.viafouraSimulated, window.told]"))

    @property
    def pair(self) -> tuple[str, str] | None:
        """What the tag carries."""
        values = self.evaluates("{...document.querySelector('#viafoura-platform').dataset}")
        return (values["uid"], values["sid"]) if "uid" in values or "sid" in values else None

    @property
    def boots(self) -> list[dict[str, Any]]:
        """What the simulated script saw, each time that it ran in this document."""
        boots: list[dict[str, Any]] = self.evaluates("(window.viafouraSimulated || {boots: []}).boots")
        return boots

    @property
    def told(self) -> list[list[Any]]:
        """The events of the bridge's own in this document: the state and the user."""
        told: list[list[Any]] = self.evaluates("window.told")
        return told

    @property
    def mark(self) -> str | None:
        mark: str | None = self.evaluates("localStorage.getItem('viafoura_mw')")
        return mark

    def sees_viafoura(self) -> None:
        """Wait until the script has started, and the bridge has met it."""
        self.waits(
            "window.viafouraSimulated && viafouraSimulated.isReady && "
            "viafouraSimulated.subscribed.some(name => /authentication.logout|onLogoutSuccess/.test(name))"
        )

    def has_been_told(self, state: str) -> None:
        """Wait for an event of the bridge's."""
        self.waits(f"window.told && told.some(one => one[0] === '{state}')")

    def settles(self) -> None:
        """Whatever the page was about to ask, it has asked: a request of the test's own has come back since."""
        self.runs(
            "window.settled = false; setTimeout(() => fetch('/empty').finally(() => { window.settled = true; }), 50)"
        )
        self.waits("window.settled")

    def console(self) -> list[str]:
        """What went wrong in the page, where the browser tells."""
        return [entry["message"] for entry in self.driver.get_log("browser")] if self.name == "chromium" else []


#: Notes the bridge's own events, and what is thrown into the page.
NOTES = """<script>
window.told = []; window.thrown = [];
document.addEventListener("viafoura-mw", (event) => told.push([event.detail.state, event.detail.user_id]));
window.addEventListener("error", (event) => thrown.push(event.message));
window.addEventListener("unhandledrejection", (event) => thrown.push(String(event.reason)));
</script>"""


def page(body: str, head: str = "") -> str:
    """A page that notes what happens in it, with a place for Viafoura's panel and one to touch."""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A story</title>
<link rel="icon" href="data:,">{head}{NOTES}</head><body><p id="touch">A story.</p><textarea id="draft"></textarea>
<div class="viafoura"></div>
{body}
<p>The end.</p></body></html>"""


def story(site: Site, api: str = "new", query: str = "") -> str:
    """A page with the tag, async, as most have it."""
    path = {"new": "/entry/index.js", "old": "/vf.js"}[api]
    return page(f'<script id="viafoura-platform" async src="{site.viafoura.url}{path}{query}"></script>')
