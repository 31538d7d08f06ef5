"""``python -m tests.pictures [FOLDER]``: the pictures of the demo, as a browser shows it.

Without a folder, those of the README and of the bridge's page are made anew, in ``.pictures/`` and
``.docs/pictures/``. With one, it gets many more: phone and desk, light and dark, signed in and out, and with Viafoura
gone; and the same of ``demo --bridge``, whose pages come from a cache.
"""

import sys
import time
from pathlib import Path
from typing import Any

from tests.support.chromium import chromium
from tests.support.demo_process import running_demo

README_PICTURES = Path(__file__).parents[1] / ".pictures"
BRIDGE_PICTURES = Path(__file__).parents[1] / ".docs" / "pictures"
STORY = "/stories/umbrella-library"
DESK, PHONE, README = (1280, 900), (390, 844), (1280, 875)  # in CSS pixels
SCALE = 1.5  # pixels of the README's pictures for one CSS pixel


class Photographer:
    """Shows pages of a demo in a browser, in one size and colour scheme at a time, and takes pictures of them."""

    def __init__(self, driver: Any, url: str) -> None:
        self._driver = driver
        self._url = url

    def frame(self, size: tuple[int, int], scheme: str, *, scale: float = 1) -> None:
        """Choose the size in CSS pixels, ``light`` or ``dark``, and how many pixels one CSS pixel has."""
        width, height = size
        self._metrics = {"width": width, "deviceScaleFactor": scale, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**self._metrics, "height": height})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def open(self, path: str) -> None:
        """Open a page, and wait until its scripts have shown all they have to show."""
        self._driver.get(self._url + path)
        self._settle()

    def press(self, selector: str) -> None:
        """Press a button that leads to a page."""
        self._driver.find_element("css selector", selector).click()
        self._settle()

    def _settle(self) -> None:
        time.sleep(1.5)

    def shoot(self, file: Path, *, whole: bool = False) -> None:
        """Write what is seen, or the ``whole`` page, to a PNG file."""
        if whole:
            height = self._driver.execute_script("return document.documentElement.scrollHeight")
            self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**self._metrics, "height": height})
        self._driver.save_screenshot(str(file))
        sys.stdout.write(f"{file} ({file.stat().st_size // 1024} KB)\n")


def readme(photographer: Photographer, folder: Path) -> None:
    """The README's pictures: a signed-in reader's story, light and dark."""
    photographer.frame(README, "light", scale=SCALE)
    photographer.open(f"/sign-in?back={STORY}")
    photographer.press("button[value=reader-17]")
    photographer.open(STORY)
    for scheme in ("light", "dark"):
        photographer.frame(README, scheme, scale=SCALE)
        photographer.shoot(folder / f"demo-{scheme}.png")


def bridged(photographer: Photographer, folder: Path) -> None:
    """The pictures of the bridge's page: a story from the cache, whose reader came by the widget's own sign-in."""
    photographer.frame(README, "light", scale=SCALE)
    photographer.open(STORY)
    photographer.press(".viafoura-sign-in")
    photographer.press("button[value=reader-17]")
    photographer.open(STORY)
    for scheme in ("light", "dark"):
        photographer.frame(README, scheme, scale=SCALE)
        photographer.shoot(folder / f"bridge-{scheme}.png")


def album(photographer: Photographer, folder: Path) -> None:
    """Everything, to be looked at."""
    for size, name in ((DESK, "desk"), (PHONE, "phone")):
        for scheme in ("light", "dark"):

            def shoot(scene: str, name: str = f"{name}-{scheme}") -> None:
                photographer.shoot(folder / f"{name}-{scene}.png", whole=True)

            photographer.frame(size, scheme)
            for path, scene in (("/", "front"), (STORY, "out"), (f"/sign-in?back={STORY}", "sign-in")):
                photographer.open(path)
                shoot(scene)
                photographer.frame(size, scheme)
            photographer.open(f"/sign-in?back={STORY}")
            photographer.press("button[value=reader-17]")
            shoot("in")
            photographer.frame(size, scheme)
            photographer.press("button[value=gone]")
            photographer.open(f"/sign-in?back={STORY}")
            photographer.press("button[value=reader-42]")
            shoot("gone")
            photographer.frame(size, scheme)
            photographer.press("button[value=well]")
            photographer.press(".reader button")


def bridged_album(photographer: Photographer, folder: Path) -> None:
    """Of ``demo --bridge``: nobody, a reader who came by the widget's own sign-in, and Viafoura gone."""
    for size, name in ((DESK, "desk"), (PHONE, "phone")):
        for scheme in ("light", "dark"):

            def shoot(scene: str, name: str = f"{name}-{scheme}") -> None:
                photographer.shoot(folder / f"bridge-{name}-{scene}.png", whole=True)

            photographer.frame(size, scheme)
            photographer.open("/")
            shoot("front")
            photographer.frame(size, scheme)
            photographer.open(STORY)
            shoot("out")
            photographer.frame(size, scheme)
            photographer.press(".viafoura-sign-in")
            photographer.press("button[value=reader-17]")
            shoot("in")
            photographer.frame(size, scheme)
            photographer.press("button[value=gone]")
            shoot("gone")
            photographer.frame(size, scheme)
            photographer.press("button[value=well]")
            photographer.press(".viafoura-log-out")


def main() -> None:
    """Start a demo and a browser, and take the pictures; then those of the bridge."""
    with chromium() as driver:
        for options, of_docs, of_all, place in (
            ((), readme, album, README_PICTURES),
            (("--bridge",), bridged, bridged_album, BRIDGE_PICTURES),
        ):
            folder = Path(sys.argv[1]) if sys.argv[1:] else place
            folder.mkdir(parents=True, exist_ok=True)
            with running_demo(*options) as demo:
                (of_all if sys.argv[1:] else of_docs)(Photographer(driver, demo.url), folder)


if __name__ == "__main__":
    main()
