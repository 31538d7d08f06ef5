"""TurboGears with its own authentication, which is repoze.who's."""

import json
from typing import Any

from tg import FullStackApplicationConfigurator, TGController, expose
from tg.configuration.auth import TGAuthMetadata

from tests.recipes.common import COUNTED, TAG


class User:
    user_name, display_name, email_address = "ann", "Ann", "ann@site.example"


class Metadata(TGAuthMetadata):
    def authenticate(self, environ: Any, identity: Any) -> str | None:
        return identity["login"] if identity["password"] == "secret" else None

    def get_user(self, identity: Any, userid: str) -> User | None:
        COUNTED["reads"] += 1
        return User() if userid == "ann" else None

    def get_groups(self, identity: Any, userid: str) -> list[str]:
        return []

    get_permissions = get_groups


class Bare(TGController):
    @expose(content_type="text/html")
    def index(self) -> str:
        return TAG

    @expose(content_type="application/json")
    def json(self) -> str:
        return json.dumps({"text": TAG})


class Root(Bare):
    bare = Bare()

    @expose(content_type="text/html")
    def out(self) -> str:
        return "out"

    @expose(content_type="application/json")
    def seen(self) -> str:
        return json.dumps(COUNTED)


configurator = FullStackApplicationConfigurator()
configurator.update_blueprint(
    {
        "root_controller": Root(),
        "renderers": ["json"],
        "default_renderer": "json",
        "use_sqlalchemy": False,
        "i18n.enabled": False,
        "session.enabled": False,
        "cache.enabled": False,
        "auth_backend": "authmetadata",
        "sa_auth.enabled": True,
        "sa_auth.cookie_secret": "secret",
        "sa_auth.authmetadata": Metadata(),
        "sa_auth.post_login_url": "/out",
        "sa_auth.post_logout_url": "/out",
    }
)
application = configurator.make_wsgi_app({}, {})
