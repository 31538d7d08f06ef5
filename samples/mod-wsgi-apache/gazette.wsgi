"""The Gazette, for the newsroom: everybody who reads it has signed in to Apache."""

from html import escape

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette, newsroom</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
<p>Signed in as {reader}.</p>
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""


def application(environ, start_response):
    page = PAGE.format(reader=escape(environ["REMOTE_USER"])).encode()
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(page)))])
    return [page]
