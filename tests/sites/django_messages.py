"""Django with one-time messages, and a count of its page's views; prints what questions of the bridge's leave of both.

python -m tests.sites.django_messages, with ``STORAGE`` one of ``django.contrib.messages.storage``.
"""

import json
import os
from typing import Any

import django
from django.conf import settings
from django.contrib import messages
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.support.bridge_probe import ASKS, through_wsgi
from tests.support.doors import environ_of
from viafoura_mw.wsgi import ViafouraMiddleware

VIEWS: list[str] = []


def front_page(request: HttpRequest) -> HttpResponse:
    VIEWS.append(request.path)
    return HttpResponse(" ".join(map(str, messages.get_messages(request))))


def save(request: HttpRequest) -> HttpResponse:
    messages.success(request, "Saved.")
    return HttpResponse()


urlpatterns = [path("", front_page), path("save", save)]


def get(app: Any, where: str, jar: dict[str, str]) -> bytes:
    heads: list[Any] = []
    environ = environ_of("GET", where, {"Host": "127.0.0.1", "Cookie": written(jar)})
    body = b"".join(app(environ, lambda _, headers, *__: heads.append(headers)))
    keep(jar, heads[-1])
    return body


def written(jar: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in jar.items())


def keep(jar: dict[str, str], headers: list[tuple[str, str]]) -> None:
    for name, value in headers:
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            jar[key] = rest.partition(";")[0]


def main() -> None:
    apps = ("auth", "contenttypes", "sessions", "messages")
    middleware = ("sessions.middleware.Session", "auth.middleware.Authentication", "messages.middleware.Message")
    settings.configure(
        SECRET_KEY="the-gazette's-own-secret",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        MESSAGE_STORAGE=f"django.contrib.messages.storage.{os.environ['STORAGE']}",
        INSTALLED_APPS=[f"django.contrib.{name}" for name in apps],
        MIDDLEWARE=[f"django.contrib.{name}Middleware" for name in middleware],
        DATABASES={},
        USE_TZ=True,
    )
    django.setup()
    app: Any = ViafouraMiddleware(get_wsgi_application())
    jar: dict[str, str] = {}
    get(app, "/save", jar)
    states = []
    for _ in range(2):
        headers, body = through_wsgi(app, "/_viafoura/session", {**ASKS, "Cookie": written(jar)}, b"")
        keep(jar, headers)
        states.append(json.loads(body)["state"])
    shown = get(app, "/", jar).decode()
    print(json.dumps({"states": states, "views": len(VIEWS), "shown": shown}))


if __name__ == "__main__":
    main()
