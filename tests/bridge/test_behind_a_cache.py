"""Fifty pages behind Varnish, in a browser whose readers come and go: one copy of each, and their own pair."""

import contextlib
import random
from typing import Any

from tests.support.bridge_browser import Reader, story
from tests.support.bridge_site import Site, serving
from tests.support.caches import standing
from tests.support.servers import Browser

PAGES = 50
VISITS = 55
#: Pages are kept whatever the cookies are, and nothing else is; the bridge's addresses need no rule but this.
KEEPS_PAGES = """
sub vcl_recv {
    if (req.url !~ "^/story-") { return (pass); }
    unset req.http.Cookie;
}
sub vcl_backend_response {
    if (bereq.url ~ "^/story-") { set beresp.ttl = 10m; return (deliver); }
}
"""


def test_fifty_pages_behind_varnish(reader: Reader, site: Site) -> None:
    """In random order with log-outs: the bare site's hit rate, and on each page the reader's own pair, or none."""
    for number in range(PAGES):
        site.put(f"/story-{number}", story(site))
    chance = random.Random(7)
    order = [*range(PAGES), *chance.choices(range(PAGES), k=VISITS - PAGES)]
    chance.shuffle(order)
    who = ""
    with contextlib.ExitStack() as stack:
        bare: list[str] = []

        def bare_site(environ: Any, start_response: Any) -> Any:
            bare.append(environ["PATH_INFO"])
            return site.paper(environ, start_response)

        front = stack.enter_context(standing("varnishd", int(site.url.rpartition(":")[2]), KEEPS_PAGES))
        bare_front = stack.enter_context(standing("varnishd", stack.enter_context(serving(bare_site)), KEEPS_PAGES))
        plain = stack.enter_context(Browser(bare_front.port))
        here = f"http://127.0.0.1:{front.port}"
        reader.opens(f"{here}/empty")
        for number in order:
            if chance.random() < 0.3:
                who = chance.choice(["ann", "ben", ""])
                address = f"/sign-in?as={who}" if who else "/sign-out"
                reader.runs(f"window.isDone = false; fetch('{address}').then(() => {{ window.isDone = true; }})")
                reader.waits("window.isDone")
            reader.opens(f"{here}/story-{number}")
            plain.get(f"/story-{number}")
            told, boots, pair = reader.waits(
                "window.told && told.length && window.viafouraSimulated && viafouraSimulated.isReady && "
                "[told, viafouraSimulated.boots, {...document.querySelector('#viafoura-platform').dataset}]"
            )
            expected = [["signed-in", site.user_id(who)]] if who else [["nobody", None]]
            assert told == expected
            assert [(boot["uid"], boot["sid"]) for boot in boots] == [(pair.get("uid", ""), pair.get("sid", ""))]
            assert not who or site.viafoura.sessions[pair["sid"]] == int(site.user_id(who))
            assert who or pair == {}

    made = [seen.path for seen in site.meddler._seen if seen.path.startswith("/story-")]
    kept = [path for path in bare if path.startswith("/story-")]
    assert len(site.questions()) == VISITS
    assert sorted(made) == sorted(kept) == sorted({f"/story-{number}" for number in order})
