"""Django with contrib.auth, in one module: its settings, its views, and its database in the file ``DATABASE``."""

import os
from collections.abc import AsyncIterator
from typing import Any

from django.contrib.auth import get_user_model, login
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

from tests.sites import news

SECRET_KEY = "the-gazette's-own-secret"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = __name__
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", ":memory:")}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def front_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(news.page(_reader(request)))


def style(_: HttpRequest) -> HttpResponse:
    return HttpResponse(news.STYLE, content_type="text/css")


def live(request: HttpRequest) -> StreamingHttpResponse:
    parts = news.pieces(news.page(_reader(request)))
    return StreamingHttpResponse(_one_by_one(parts) if isinstance(request, ASGIRequest) else iter(parts))


async def _one_by_one(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def sign_in(request: HttpRequest) -> HttpResponse:
    reader = news.Reader(int(request.POST["reader"]))
    user, _ = get_user_model().objects.get_or_create(
        pk=int(reader.id),
        defaults={
            "username": f"reader{reader.number}",
            "first_name": "Reader",
            "last_name": str(reader.number),
            "email": reader.email,
        },
    )
    login(request, user)
    redirect = HttpResponseRedirect("/")
    redirect.status_code = 303
    return redirect


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.content_type)


def _reader(request: HttpRequest) -> news.Reader | None:
    user: Any = request.user
    return news.Reader(user.pk - 1000) if user.is_authenticated else None


urlpatterns = [
    path("", front_page),
    path("style.css", style),
    path("live", live),
    path("sign-in", sign_in),
    path("echo", echo),
]


def wsgi() -> Any:
    """The site as ``mysite/wsgi.py`` has it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = __name__
    return get_wsgi_application()


def asgi() -> Any:
    """The site as ``mysite/asgi.py`` has it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = __name__
    return get_asgi_application()


if __name__ == "__main__":  # makes the tables
    import django
    from django.core.management import call_command

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.sites.django_site"
    django.setup()
    call_command("migrate", verbosity=0)
