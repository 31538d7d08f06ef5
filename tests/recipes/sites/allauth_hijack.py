"""django-allauth with django-hijack: Ann signs in by allauth's form; staff use the site as another user."""

from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from tests.recipes.common import COUNTED, TAG, count_sql

settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
        "hijack",
    ],
    MIGRATION_MODULES={"auth": None, "contenttypes": None, "sessions": None, "account": None},
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    ACCOUNT_RATE_LIMITS=False,
    ACCOUNT_LOGOUT_REDIRECT_URL="/json",
    LOGIN_REDIRECT_URL="/json",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
        "hijack.middleware.HijackUserMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - once Django is set up
from django.core.management import call_command  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
get_user_model().objects.create_superuser("ann", "ann@site.example", "secret", pk=7, first_name="Ann")
get_user_model().objects.create_user("bob", "bob@site.example", "secret", pk=8, first_name="Bob")
connection.execute_wrappers.append(lambda run, sql, *args: (count_sql(sql), run(sql, *args))[1])


def page(request: Any) -> HttpResponse:
    return HttpResponse(TAG)


def data(request: Any) -> JsonResponse:
    return JsonResponse({"text": TAG})


urlpatterns = [
    path("", page),
    path("json", data),
    path("bare/", page),
    path("bare/json", data),
    path("accounts/", include("allauth.urls")),
    path("hijack/", include("hijack.urls")),
    path("seen", lambda request: JsonResponse(COUNTED)),
]
application = get_wsgi_application()
