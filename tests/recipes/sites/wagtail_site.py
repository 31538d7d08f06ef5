"""Wagtail: its pages are the site's, its users are Django's."""

from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from tests.recipes.common import COUNTED, TAG, count_sql

APPS = ["wagtail.users", "wagtail.documents", "wagtail.images", "wagtail.search", "wagtail.admin", "wagtail"]
APPS += ["modelcluster", "taggit"]
APPS += [f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions", "messages")]
settings.configure(
    SECRET_KEY="secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=APPS,
    MIGRATION_MODULES={name.rpartition(".")[2]: None for name in APPS}
    | {f"wagtail{name}": None for name in ("users", "docs", "images", "search", "admin", "core")},
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": [("django.template.loaders.locmem.Loader", {"wagtailcore/page.html": TAG})]},
        }
    ],
    STATIC_URL="/static/",
    WAGTAIL_SITE_NAME="News",
    WAGTAILADMIN_BASE_URL="http://127.0.0.1",
)
django.setup()

from django.contrib.auth import get_user_model, login, logout  # noqa: E402 - once Django is set up
from django.core.management import call_command  # noqa: E402
from wagtail import urls as wagtail_urls  # noqa: E402
from wagtail.models import Locale, Page, Site  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
Locale.objects.create(language_code="en")
root = Page.add_root(title="Root", slug="root")
home = root.add_child(title="News", slug="news")
home.add_child(title="Bare", slug="bare")
Site.objects.create(hostname="127.0.0.1", root_page=home, is_default_site=True)
get_user_model().objects.create_user("ann", "ann@site.example", "secret", pk=7, first_name="Ann")
connection.execute_wrappers.append(lambda run, sql, *args: (count_sql(sql), run(sql, *args))[1])


def sign_in(request: Any) -> HttpResponse:
    login(request, get_user_model().objects.get(pk=7))
    return HttpResponse("in")


def sign_out(request: Any) -> HttpResponse:
    logout(request)
    return HttpResponse("out")


urlpatterns = [
    path("json", lambda request: JsonResponse({"text": TAG})),
    path("bare/json", lambda request: JsonResponse({"text": TAG})),
    path("in", sign_in),
    path("out", sign_out),
    path("seen", lambda request: JsonResponse(COUNTED)),
    path("", include(wagtail_urls)),
]
application = get_wsgi_application()
