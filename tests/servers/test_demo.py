"""The demo: a news site that knows nothing of us, on real servers, as its user starts it."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest
import requests

from tests.support.demo_process import Demo, running_demo
from viafoura_mw.demo import pages, serving
from viafoura_mw.demo.behind import SHOWN, Behind
from viafoura_mw.demo.readers import READERS, Reader, SignIn, guest
from viafoura_mw.demo.site import Reply, Site, Visit
from viafoura_mw.demo.stories import STORIES
from viafoura_mw.testing import SimulatedViafoura

STORY = STORIES[0].path
PATHS = ["/", "/sign-in", "/nowhere", *(story.path for story in STORIES)]


@pytest.fixture
def site(viafoura: SimulatedViafoura) -> Site:
    return Site(Behind(viafoura), SignIn("secret", "courier"), "a test")


def get(site: Site, path: str, cookies: str = "", **more: str) -> Reply:
    return site.answer(Visit("GET", path, cookies=cookies, **more))


def post(site: Site, path: str, form: str = "", **more: str) -> Reply:
    return site.answer(Visit("POST", path, form=form, **more))


def value(reply: Reply, name: str) -> str:
    return dict(reply.headers)[name]


def signed_in(site: Site, form: str = "reader=reader-17") -> str:
    """The Cookie header of a browser that has signed in."""
    return value(post(site, "/sign-in", form), "Set-Cookie").partition(";")[0]


class TestSite:
    """The site alone: it works without the middleware, and without Viafoura."""

    def test_front_page_has_no_tag(self, site: Site) -> None:
        """So that it can be seen that Viafoura is asked nothing for such a page."""
        reply = get(site, "/")

        assert reply.status == HTTPStatus.OK
        assert b"viafoura-platform" not in reply.body

    @pytest.mark.parametrize("story", STORIES, ids=lambda story: story.title)
    def test_every_story_has_the_tag_without_a_session(self, site: Site, story: Any) -> None:
        """The demo's own pages know nothing of Viafoura."""
        page = get(site, story.path, signed_in(site)).body

        assert page.count(b'<script id="viafoura-platform" src="/static/viafoura.js">') == 1
        assert b"data-uid" not in page

    @pytest.mark.parametrize("path", PATHS)
    def test_nothing_is_inline(self, site: Site, path: str) -> None:
        """Neither script nor style, so that the strict policy which every page carries holds."""
        reply = get(site, path)
        page = reply.body.decode()

        assert "default-src 'self'" in value(reply, "Content-Security-Policy")
        assert not re.search(r"<style|<[^>]* (style|on\w+)=|<script(?![^>]* src=\"/)|(src|href)=\"(https?:)?//", page)

    @pytest.mark.parametrize("path", PATHS)
    def test_what_a_page_refers_to_is_there(self, site: Site, path: str) -> None:
        """Styles, pictures and links."""
        page = get(site, path).body.decode()

        for reference in set(re.findall(r'(?:src|href)="(/[^"#?]*)', page)):
            assert get(site, reference).status == HTTPStatus.OK, reference

    @pytest.mark.parametrize("path", PATHS)
    def test_every_page_escapes_its_reader_s_name(self, site: Site, path: str) -> None:
        """A name is text."""
        page = get(site, path, signed_in(site, "name=%3Cb%3E%22%26")).body

        assert b"&lt;b&gt;&quot;&amp;</span>" in page
        assert b'<b>"&' not in page

    def test_knows_a_reader_by_a_cookie_that_scripts_cannot_read(self, site: Site) -> None:
        """It is ``HttpOnly``."""
        cookie = value(post(site, "/sign-in", "reader=reader-42"), "Set-Cookie")

        assert "HttpOnly; SameSite=lax" in cookie
        assert site.reader(cookie.partition(";")[0]) == READERS[1]

    @pytest.mark.parametrize("cookies", ["", "courier=", "courier=AAAA", "courier=é", "other=1"])
    def test_knows_nobody_by_a_cookie_that_it_did_not_sign(self, site: Site, cookies: str) -> None:
        """A forged cookie is none."""
        assert site.reader(cookies) is None

    def test_knows_nobody_by_another_site_s_cookie(self, site: Site) -> None:
        """Two mastheads share no readers."""
        forged = SignIn("guessed", "courier").remembering(READERS[0]).partition(";")[0]

        assert site.reader(forged) is None

    def test_same_name_is_the_same_account(self) -> None:
        """Blanks around and inside make no other."""
        assert guest("  Mo   Farouk ") == guest("Mo Farouk")
        assert guest("Mo Farouk") != guest("Mo Faruk")

    @pytest.mark.parametrize("name", ["", "+++", "%00", "%E2%80%8B"])
    def test_asks_again_for_a_name_of_nothing(self, site: Site, name: str) -> None:
        """Blanks sign nobody in."""
        reply = post(site, "/sign-in", f"name={name}&back={STORY}")

        assert reply.status == HTTPStatus.UNPROCESSABLE_ENTITY
        assert b'role="alert"' in reply.body
        assert f'name="back" value="{STORY}"'.encode() in reply.body

    def test_signs_out(self, site: Site) -> None:
        """The next page knows nobody."""
        reply = post(site, "/sign-out", f"back={STORY}")

        assert "Max-Age=0" in value(reply, "Set-Cookie")
        assert value(reply, "Location") == STORY

    @pytest.mark.parametrize("back", ["//elsewhere.example/", "https://elsewhere.example/", "/nowhere", "%0d%0aX:1"])
    def test_forms_lead_to_its_own_pages_only(self, site: Site, back: str) -> None:
        """A ``next`` to elsewhere leads to the front page."""
        assert value(post(site, "/sign-in", f"reader=reader-17&back={back}"), "Location") == "/"
        assert b"elsewhere" not in get(site, "/sign-in", query=f"back={back}").body

    @pytest.mark.parametrize("came_from", ["cross-site", "same-site"])
    def test_refuses_another_site_s_forms(self, site: Site, came_from: str) -> None:
        """By ``Sec-Fetch-Site``."""
        reply = post(site, "/sign-in", "reader=reader-17", fetch_site=came_from)

        assert reply.status == HTTPStatus.FORBIDDEN
        assert "Set-Cookie" not in dict(reply.headers)

    def test_says_what_is_not_there(self, site: Site) -> None:
        """An unknown address is 404."""
        assert get(site, "/nowhere").status == HTTPStatus.NOT_FOUND
        assert post(site, "/nowhere").status == HTTPStatus.NOT_FOUND
        assert post(site, "/sign-out", "&".join(f"a{n}=1" for n in range(99))).status == HTTPStatus.SEE_OTHER
        assert site.answer(Visit("PUT", "/")).status == HTTPStatus.METHOD_NOT_ALLOWED

    def test_answers_head_with_the_head(self, site: Site) -> None:
        """The same head, no body."""
        reply = site.answer(Visit("HEAD", "/"))

        assert reply.headers == get(site, "/").headers
        assert reply.body == b""

    def test_keeps_a_reader_s_details(self) -> None:
        """A name in any script, and an address that is not there, come back from the cookie."""
        sign_in = SignIn("secret", "courier")
        reader = Reader("1", "渡辺", None)

        assert sign_in.reader(sign_in.remembering(reader).partition(";")[0]) == reader


class TestBehind:
    """What can be seen of the simulated Viafoura, and made of it."""

    def test_shows_the_latest_calls_and_of_a_session_its_beginning(
        self, site: Site, viafoura: SimulatedViafoura
    ) -> None:
        """A picture of the page gives no session away."""
        for _ in range(SHOWN + 1):
            requests.post(
                f"{viafoura.url}/rest/v1/accounts/logout", {"session": "o52l4itrv8q4p8n4amsou1c567"}, timeout=9
            )
        requests.post(f"{viafoura.url}/elsewhere", {"a": "b"}, timeout=9)

        calls = json.loads(get(site, "/behind/calls").body)["calls"]

        assert len(calls) == SHOWN
        assert calls[-1] | {"at": ""} == {"at": "", "name": "unknown", "about": "", "status": 404}
        assert calls[-2] | {"at": ""} == {"at": "", "name": "logout", "about": "session o52l4i…", "status": 401}

    @pytest.mark.parametrize("mood", pages.MOODS)
    def test_viafoura_becomes_as_it_is_told(self, site: Site, mood: str) -> None:
        """The page shows the mood that was pressed."""
        reply = post(site, "/behind/mood", f"mood={mood}&back={STORY}")

        assert value(reply, "Location") == STORY
        page = get(site, STORY).body.decode()
        assert re.findall(r'value="(\w+)" aria-pressed="true"', page) == [mood]

    def test_viafoura_becomes_nothing_else(self, site: Site) -> None:
        """A mood that is not on the page changes nothing."""
        assert post(site, "/behind/mood", "mood=angry").status == HTTPStatus.NOT_FOUND
        assert json.loads(get(site, "/behind/calls").body)["mood"] == "well"

    def test_stand_in_knows_no_session_that_viafoura_does_not(self, site: Site) -> None:
        """A made-up pair is nobody's."""
        assert json.loads(post(site, "/behind/pair", "uid=1&sid=2").body) == {"name": None}

    @pytest.mark.parametrize("mood", ["failing", "gone"])
    def test_stand_in_is_not_answered_by_a_viafoura_that_does_not_answer(self, site: Site, mood: str) -> None:
        """The widget fails as Viafoura does."""
        post(site, "/behind/mood", f"mood={mood}")

        assert post(site, "/behind/pair", "uid=1&sid=2").status == HTTPStatus.BAD_GATEWAY


@pytest.fixture(scope="module", params=["--wsgi", "--asgi"])
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    """One demo on each server, for all that does not end it."""
    with running_demo(request.param) as running:
        yield running


class Browser:
    """A browser without scripts: it keeps cookies, follows redirects and sees tags."""

    def __init__(self, demo: Demo) -> None:
        self._url = demo.url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Accept"] = "text/html"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *exception: object) -> None:
        self._session.close()

    def get(self, path: str) -> requests.Response:
        return self._session.get(self._url + path, timeout=30)

    def post(self, path: str, **form: str) -> requests.Response:
        return self._session.post(self._url + path, form, timeout=30)

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.get("/behind/calls").json()["calls"]
        return calls

    def owner(self, pair: tuple[str, str]) -> str | None:
        name: str | None = self.post("/behind/pair", uid=pair[0], sid=pair[1]).json()["name"]
        return name


def pair_in(page: requests.Response) -> tuple[str, str] | None:
    found = re.search(r'<script id="viafoura-platform" data-uid="(\d+)" data-sid="(\w+)"', page.text)
    return (found[1], found[2]) if found else None


class TestServed:
    """The demo on real servers."""

    def test_first_page_costs_one_token_and_one_login_the_second_nothing(self) -> None:
        """What the demo's list of calls shows."""
        for option in ("--wsgi", "--asgi"):
            with running_demo(option) as demo, Browser(demo) as browser:
                first = browser.post("/sign-in", reader="reader-17", back=STORY)
                calls = browser.calls()
                second = browser.get(STORY)

                assert [call["name"] for call in calls] == ["token", "login"]
                assert calls[1]["about"] == "reader-17, Ada Novák, ada.novak@example.org"
                assert pair_in(first)
                assert pair_in(second) == pair_in(first)
                assert browser.calls() == calls

    def test_reader_is_signed_in_to_viafoura_as_themselves(self, demo: Demo) -> None:
        """Viafoura was told the id, name and address of the account."""
        with Browser(demo) as browser:
            pair = pair_in(browser.post("/sign-in", reader="reader-108", back=STORY))

            assert pair
            assert browser.owner(pair) == "渡辺みどり"

    def test_changed_reader_gets_their_own_pair_and_the_old_session_ends(self, demo: Demo) -> None:
        """A new reader in the same browser."""
        with Browser(demo) as browser:
            old = pair_in(browser.post("/sign-in", reader="reader-17", back=STORY))
            new = pair_in(browser.post("/sign-in", name="Mo Farouk", back=STORY))

            assert old
            assert new
            assert browser.owner(new) == "Mo Farouk"
            eventually(lambda: browser.owner(old) is None)

    def test_signing_out_ends_the_session(self, demo: Demo) -> None:
        """At Viafoura too."""
        with Browser(demo) as browser:
            pair = pair_in(browser.post("/sign-in", reader="reader-42", back=STORY))
            page = browser.post("/sign-out", back=STORY)

            assert pair
            assert pair_in(page) is None
            eventually(lambda: browser.owner(pair) is None)

    def test_anonymous_page_and_front_page_ask_nothing(self, demo: Demo) -> None:
        """Nobody signed in, or no tag: no call."""
        with Browser(demo) as browser:
            before = browser.calls()
            browser.get("/")
            browser.get(STORY)
            browser.post("/sign-in", reader="reader-42", back="/")

            assert browser.calls() == before

    def test_page_is_whole_when_viafoura_is_gone(self, demo: Demo) -> None:
        """The demo's switch pulls the plug."""
        with Browser(demo) as browser:
            whole = browser.get(STORY).text
            browser.post("/behind/mood", mood="gone")
            page = browser.post("/sign-in", name="Late Reader", back=STORY)
            browser.post("/behind/mood", mood="well")

            assert page.status_code == 200
            assert pair_in(page) is None
            assert page.text.rstrip().endswith("</html>")
            assert whole.rstrip().endswith("</html>")

    @pytest.mark.parametrize("path", ["/", "/nowhere", "/static/viafoura.js"])
    def test_serves_head(self, demo: Demo, path: str) -> None:
        """Through the middleware."""
        with Browser(demo) as browser:
            head = browser._session.head(demo.url + path, timeout=30)

            assert head.content == b""
            assert head.headers["Content-Length"] == browser.get(path).headers["Content-Length"]


def eventually(is_so: Any, seconds: float = 10.0) -> None:
    """Wait for what is done beside the page."""
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)


class TestEnds:
    """How the demo ends, and why it may not begin."""

    @pytest.mark.parametrize("option", ["--wsgi", "--asgi"])
    def test_ctrl_c_ends_it_without_a_traceback(self, option: str) -> None:
        """With exit code 0."""
        with running_demo(option) as demo, Browser(demo) as browser:
            browser.post("/sign-in", reader="reader-17", back=STORY)
            code, complaints = demo.interrupt()

        assert code == 0
        assert "Traceback" not in complaints

    @pytest.mark.parametrize("option", ["--wsgi", "--asgi"])
    def test_ctrl_c_lets_a_page_that_waits_for_viafoura_come_whole(self, option: str) -> None:
        """The server ends after it."""
        with running_demo(option) as demo, Browser(demo) as browser, ThreadPoolExecutor() as beside:
            browser.post("/behind/mood", mood="slow")
            page = beside.submit(browser.post, "/sign-in", reader="reader-17", back=STORY)
            eventually(browser.calls)
            code, complaints = demo.interrupt()

        assert page.result().text.rstrip().endswith("</html>")
        assert (code, complaints) == (0, "")

    @pytest.mark.parametrize("door", ["wsgi", "asgi"])
    def test_busy_port_is_one_clear_error(self, door: serving.Door) -> None:
        """It names the port."""
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            for site_port, simulator_port in ((port, 0), (0, port)):
                with pytest.raises(serving.CannotServe, match=rf"^port {port} of 127\.0\.0\.1 cannot be used .+$"):
                    serving.serve(door, site_port, simulator_port, lambda *_: None)

    def test_missing_server_is_named_with_what_installs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """``pip install "viafoura-mw[demo]"``."""
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

        with pytest.raises(serving.CannotServe, match=r'waitress: python -m pip install "viafoura-mw\[demo\]"'):
            serving.picked("wsgi")
        with pytest.raises(serving.CannotServe, match="uvicorn or waitress"):
            serving.picked(None)

    def test_server_that_is_there_is_picked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without an option, the one that is installed decides the door."""
        monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "waitress" or None)

        assert serving.picked(None) == "wsgi"
