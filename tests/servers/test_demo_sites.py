"""``viafoura-mw demo --sites``: two sites in one process, as a newcomer sees them."""

from urllib.parse import urlsplit

import pytest

from tests.support.demo_process import running_demo
from tests.support.servers import Browser


@pytest.mark.parametrize("door", ["--wsgi", "--asgi"])
def test_each_host_is_a_site_of_its_own(door: str) -> None:
    """By its name, its readers and its Viafoura; a reader of one is nobody to the other."""
    with running_demo("--sites", door) as demo:
        port = urlsplit(demo.url).port or 0
        with (
            Browser(port, always={"Host": f"courier.localhost:{port}"}) as courier,
            Browser(port, always={"Host": f"gazette.localhost:{port}"}) as gazette,
        ):
            for browser, name in ((courier, b"The Quayside Courier"), (gazette, b"The Harbour Gazette")):
                front = browser.get().body
                assert name in front
                story = front.partition(b'<h1><a href="')[2].partition(b'"')[0].decode()
                assert browser.post("/sign-in", name="Ann").status == 303
                assert browser.get(story).pair is not None
                assert browser.get("/no-such-page").status == 404
            calls = [browser.get("/behind/calls").body.count(b'"login"') for browser in (courier, gazette)]
            gazette.cookies |= courier.cookies
            as_nobody = gazette.get(story).pair

        code, _ = demo.interrupt()

    assert calls == [1, 1]
    assert as_nobody is None
    assert code == 0
