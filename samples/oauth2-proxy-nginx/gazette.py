"""The Gazette behind oauth2-proxy: who reads it, nginx says in a header."""

from html import escape

from flask import Flask, request

app = Flask(__name__)

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
<p>Signed in as {reader}. <a href="/oauth2/sign_out">Sign out</a></p>
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""


@app.get("/")
def front_page():
    return PAGE.format(reader=escape(request.headers["X-Forwarded-Preferred-Username"]))
