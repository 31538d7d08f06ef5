"""Django with its own users, and the user's session in the database."""

from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tests.recipes.common import COUNTED, TAG, count_sql

settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None},
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
)
django.setup()

from django.contrib.auth import get_user_model, login, logout  # noqa: E402 - once Django is set up
from django.core.management import call_command  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
get_user_model().objects.create_user("ann", "ann@site.example", "secret", pk=7, first_name="Ann")
connection.execute_wrappers.append(lambda run, sql, *args: (count_sql(sql), run(sql, *args))[1])


def sign_in(request: Any) -> HttpResponse:
    login(request, get_user_model().objects.get(pk=7))
    request.session["user"] = {"id": "ann", "name": "Ann", "email": "ann@site.example"}
    return HttpResponse("in")


def sign_out(request: Any) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


def page(request: Any) -> HttpResponse:
    return HttpResponse(TAG)


def data(request: Any) -> JsonResponse:
    return JsonResponse({"text": TAG})


def seen(request: Any) -> JsonResponse:
    return JsonResponse(COUNTED)


urlpatterns = [
    path("", page),
    path("json", data),
    path("bare/", page),
    path("bare/json", data),
    path("in", sign_in),
    path("out", sign_out),
    path("seen", seen),
]
application = get_wsgi_application()
