"""The Gazette, since 2014: a Flask module with a session of its own."""

from flask import Flask, redirect, render_template_string, request, session

app = Flask(__name__)
app.secret_key = "the-gazette's-own-secret"

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
{% if reader %}
<form method="post" action="/sign-out">Signed in as {{ reader }}. <button>Sign out</button></form>
{% else %}
<form method="post" action="/sign-in"><input name="reader" required> <button>Sign in</button></form>
{% endif %}
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""


@app.before_request
def name_the_reader_in_logs():
    if "reader" in session:
        request.environ["REMOTE_USER"] = session["reader"]


@app.get("/")
def front_page():
    return render_template_string(PAGE, reader=session.get("reader"))


@app.post("/sign-in")
def sign_in():
    session["reader"] = request.form["reader"]
    return redirect("/", 303)


@app.post("/sign-out")
def sign_out():
    session.clear()
    return redirect("/", 303)
