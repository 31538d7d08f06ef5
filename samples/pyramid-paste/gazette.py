"""The Gazette on Pyramid: a security policy of its own, on signed tickets in a cookie."""

from html import escape

from pyramid.authentication import AuthTktCookieHelper
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.security import forget, remember

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


class TicketPolicy:
    def __init__(self, secret):
        self.tickets = AuthTktCookieHelper(secret, hashalg="sha512", http_only=True)

    def identity(self, request):
        return self.tickets.identify(request)

    def authenticated_userid(self, request):
        identity = self.identity(request)
        return identity and identity["userid"]

    def permits(self, request, context, permission):
        return True

    def remember(self, request, userid, **options):
        return self.tickets.remember(request, userid, **options)

    def forget(self, request, **options):
        return self.tickets.forget(request, **options)


def front_page(request):
    reader = request.authenticated_userid
    return Response(PAGE.format(form=SIGN_OUT.format(escape(reader)) if reader else SIGN_IN))


def sign_in(request):
    return HTTPSeeOther("/", headers=remember(request, request.POST["reader"]))


def sign_out(request):
    return HTTPSeeOther("/", headers=forget(request))


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.set_security_policy(TicketPolicy(settings["gazette.secret"]))
        for view, path in ((front_page, "/"), (sign_in, "/sign-in"), (sign_out, "/sign-out")):
            config.add_route(path, path)
            config.add_view(view, route_name=path)
        return config.make_wsgi_app()
