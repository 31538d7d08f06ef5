"""The presets of ``VIAFOURA_USER``: for each way a site authenticates, where its user's fields are.

What a preset reads never changes: another id would be another account at Viafoura.
"""

import dataclasses
from dataclasses import dataclass
from typing import Final

from viafoura_mw.user.sources import LENT, Source, UserSources, parse

_NAME_OF_OBJECT: Final = "user:display_name|user:get_full_name()|user:full_name|user:name|user:username"


@dataclass(frozen=True, slots=True)
class Preset:
    """Where a kind of site keeps its user: the ``sources`` of the fields, and of the object that ``user:`` reads.

    ``user_object`` is empty where there is none, or where ``framework`` (one of
    :mod:`viafoura_mw.user.frameworks`) finds it. Where the user object has any of ``same_as``, the id must be the
    text of one of them: an id that is a credential would be another account whenever it changes. ``lends``: some field
    is read of a framework's session or ``g``.
    """

    sources: UserSources
    user_object: tuple[Source, ...] = ()
    framework: str | None = None
    same_as: tuple[Source, ...] = ()
    lends: bool = False

    @property
    def is_free(self) -> bool:
        """Whether no framework is asked for anything."""
        return self.framework is None and not self.lends


def _fields(user_id: str, name: str = "", email: str = "", *, separator: str = "") -> UserSources:
    id_, name_, email_ = (parse(text) if text else () for text in (user_id, name, email))
    return UserSources(id_, name_, email_, separator=separator)


def _framework(name: str, user_id: str, *, same_as: str = "") -> Preset:
    sources = _fields(user_id, _NAME_OF_OBJECT, "user:email")
    return Preset(sources, framework=name, same_as=parse(same_as) if same_as else ())


PRESETS: Final = {
    "off": Preset(UserSources()),
    "remote-user": Preset(_fields("environ:REMOTE_USER")),
    "scope": Preset(
        _fields("user:id|user:pk|user:identity|user:sub|user:username", _NAME_OF_OBJECT, "user:email"),
        user_object=parse("scope:user|scope:state/user|scope:actor"),
    ),
    "django": _framework("django", "user:pk"),
    # Flask-Security's and Flask-User's get_id() gives a token that changes with the password.
    "flask-login": _framework("flask-login", "user:get_id()", same_as="user:id|user:pk"),
    "pyramid": _framework("pyramid", "user:authenticated_userid"),
    "cherrypy": _framework("cherrypy", "user:id"),
    "quart-auth": _framework("quart-auth", "user:auth_id"),
    "zope": Preset(_fields("user:id", "user:fullname|user:username", "user:email"), framework="zope"),
    "shibboleth": Preset(
        _fields("environ:eppn|environ:REMOTE_USER", "environ:displayName|environ:cn", "environ:mail", separator=";")
    ),
    # Not X-Auth-Request-* as well: a proxy that sets the ones lets the others pass, as a visitor may have sent them.
    "oauth2-proxy": Preset(
        _fields("header:X-Forwarded-User", "header:X-Forwarded-Preferred-Username", "header:X-Forwarded-Email")
    ),
    "authelia": Preset(_fields("header:Remote-User", "header:Remote-Name", "header:Remote-Email")),
}
#: What ``VIAFOURA_USER`` may say. ``auto`` is settled by the door, once for the process.
NAMES: Final = ("auto", *PRESETS)


def chosen(name: str, own: UserSources) -> Preset:
    """Preset ``name`` with the site's ``own`` sources in the place of the preset's, field by field."""
    preset = PRESETS[name]
    sources = dataclasses.replace(
        preset.sources,
        id=own.id or preset.sources.id,
        name=own.name or preset.sources.name,
        email=own.email or preset.sources.email,
        strip_realm=own.strip_realm,
    )
    # A framework's user may cost a query: it is not asked for where no field is read of it.
    framework = preset.framework if "user" in sources.kinds() else None
    lends = not LENT.isdisjoint(sources.kinds())
    return Preset(sources, preset.user_object, framework, () if own.id else preset.same_as, lends)
