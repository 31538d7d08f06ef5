"""The Gazette on a busy day: one front page for everybody, kept for a minute by the cache in front."""

from flask import Flask, redirect, request, session

app = Flask(__name__)
app.secret_key = "the-gazette's-own-secret"

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
<p><a href="/account">Your account</a></p>
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""


@app.before_request
def name_the_reader_in_logs():
    request.environ["REMOTE_USER"] = session.get("reader", "")


@app.get("/")
def front_page():
    return PAGE, {"Cache-Control": "public, max-age=60"}


@app.get("/account")
def account():
    return f"<!doctype html><p>{session.get('reader', 'Nobody')}", {"Cache-Control": "private"}


@app.post("/sign-in")
def sign_in():
    session["reader"] = request.form["reader"]
    return redirect("/", 303)


@app.post("/sign-out")
def sign_out():
    session.clear()
    return redirect("/", 303)
