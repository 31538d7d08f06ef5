"""The Gazette on Starlette, with metrics of its own through OpenTelemetry, which Prometheus fetches at another port."""

import os
from html import escape

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
start_http_server(int(os.environ.get("METRICS_PORT", "9464")), "127.0.0.1")
visits = metrics.get_meter("gazette").create_counter("gazette.visits")

PAGE = """<!doctype html>
<html lang="en">
<title>The Gazette</title>
<h1>The harbour bridge opens</h1>
<p>After nine years of building, the first trams crossed the harbour this morning.</p>
{form}
<vf-conversations></vf-conversations>
<script id="viafoura-platform" src="https://cdn.viafoura.net/entry/index.js" async></script>
</html>
"""
SIGN_IN = '<form method="post" action="/sign-in"><input name="reader" required> <button>Sign in</button></form>'
SIGN_OUT = '<form method="post" action="/sign-out">Signed in as {}. <button>Sign out</button></form>'


class Reader(SimpleUser):
    @property
    def identity(self):
        return self.username


class SessionBackend(AuthenticationBackend):
    async def authenticate(self, connection):
        name = connection.session.get("reader")
        return (AuthCredentials(["authenticated"]), Reader(name)) if name else None


async def front_page(request):
    visits.add(1)
    user = request.user
    form = SIGN_OUT.format(escape(user.display_name)) if user.is_authenticated else SIGN_IN
    return HTMLResponse(PAGE.format(form=form))


async def sign_in(request):
    async with request.form() as form:
        request.session["reader"] = form["reader"]
    return RedirectResponse("/", 303)


async def sign_out(request):
    request.session.clear()
    return RedirectResponse("/", 303)


app = Starlette(
    routes=[
        Route("/", front_page),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key="the-gazette's-own-secret"),
        Middleware(AuthenticationMiddleware, backend=SessionBackend()),
    ],
)
