"""Somebody at a browser, reading the demo."""

import time
from collections.abc import Callable
from typing import Any

import requests

from tests.support.demo_process import PATIENCE
from viafoura_mw.demo.stories import STORIES

STORY = STORIES[0].path

Pair = tuple[str, str]


class AtTheBrowser:
    """What somebody does at a browser, and what the page in the present tab shows them."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self._url = url

    # What they do.

    def opens(self, path: str) -> None:
        self.driver.get(self._url + path)

    def signs_in(self, user_id: str, back: str = STORY) -> None:
        self.opens(f"/sign-in?back={back}")
        self.presses(f"button[value={user_id}]")

    def signs_out(self) -> None:
        self.presses(".reader button")

    def presses(self, selector: str) -> None:
        """Press a button, and wait for the page that it leads to."""
        self.driver.execute_script("window.isLeft = true")
        self.driver.find_element("css selector", selector).click()
        wait_until(lambda: self.evaluates("!window.isLeft && document.readyState === 'complete'"))

    def goes(self, steps: int) -> None:
        """Go back or forward in the tab's history."""
        (self.driver.back if steps < 0 else self.driver.forward)()

    def opens_tab(self, path: str) -> str:
        """Open a tab, go there, and give the tab that was left."""
        left: str = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        self.opens(path)
        return left

    def returns_to(self, tab: str) -> None:
        self.driver.switch_to.window(tab)

    # What they see.

    def evaluates(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression}")

    @property
    def name(self) -> str | None:
        """Who the page says is signed in."""
        name: str | None = self.evaluates('document.querySelector("#reader")?.textContent')
        return name

    @property
    def pair(self) -> Pair | None:
        """What the page's tag has."""
        values = self.evaluates('{...document.querySelector("#viafoura-platform").dataset}')
        return (values["uid"], values["sid"]) if values else None

    @property
    def widget(self) -> str:
        """What Viafoura's widget has to say, once it has."""
        wait_until(lambda: self.evaluates('document.querySelector("#widget").dataset.state'))
        text: str = self.evaluates('document.querySelector("#widget").textContent')
        return text

    @property
    def console(self) -> list[str]:
        """What went wrong in the page."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    # What is so at Viafoura.

    def owner(self, pair: Pair) -> str | None:
        """Whose living session it is, at Viafoura."""
        name: str | None = self._ask("post", "/behind/pair", {"uid": pair[0], "sid": pair[1]})["name"]
        return name

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self._ask("get", "/behind/calls")["calls"]
        return calls

    def _ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        return requests.request(method, self._url + path, data=form, timeout=PATIENCE).json()

    def assert_never_another_s(self) -> None:
        """The page's pair, if any, is its own reader's; or it was, and is nobody's any more."""
        if pair := self.pair:
            assert self.name is not None
            assert self.owner(pair) in (self.name, None)


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
