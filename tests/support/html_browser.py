"""Chromium as an oracle: thousands of pages parsed by it in one go, with scripting on."""

import html
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from viafoura_mw.page.html.start_tag import PLATFORM

# A parser for strings (DOMParser) would have scripting off, and so would a sandboxed frame: each page is written into a
# frame of the harness's own instead. Their scripts are torn pieces of markup and do nothing. MutationObserver is not
# needed: a script that a later frameset removes is told by -2.
_HARNESS = """<!doctype html><meta charset="utf-8"><iframe id="frame"></iframe><script>
window.onerror = () => true;
const pages = PAGES, answers = [], frame = document.getElementById("frame");
for (const page of pages) {
  frame.contentDocument.open();
  frame.contentDocument.write(page);
  frame.contentDocument.close();
  let first = -1;
  for (const script of frame.contentDocument.querySelectorAll("script")) {
    if (script.namespaceURI !== "http://www.w3.org/1999/xhtml" || script.id !== "ID") continue;
    const number = Number(script.getAttribute("n"));
    if (first < 0 || number < first) first = number;
  }
  if (first < 0 && frame.contentDocument.querySelector("frameset")) first = -2;
  answers.push(first);
}
document.documentElement.textContent = "ANSWERS" + JSON.stringify(answers) + "END";
</script>"""
_SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --dump-dom"
)
FRAMESET = -2


def chromium() -> str | None:
    """The browser's program, when there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


def chromium_says(browser: str, pages: list[bytes]) -> list[int | None]:
    """The number of the platform's script in each page; :data:`FRAMESET` where a frameset replaced the body."""
    written = json.dumps([page.decode("latin-1") for page in pages]).replace("<", "\\u003c")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        harness = Path(directory, "harness.html")
        harness.write_text(_HARNESS.replace("ID", PLATFORM.decode(), 1).replace("PAGES", written, 1), encoding="utf-8")
        command = [browser, *_SWITCHES.split(), f"--user-data-dir={directory}/profile", harness.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    dumped = html.unescape(done.stdout)
    answers = json.loads(dumped[dumped.index("ANSWERS") + 7 : dumped.rindex("END")])
    return [None if answer == -1 else answer for answer in answers]
