"""The presets of ``VIAFOURA_USER``: for each way a site authenticates, where its user's fields are.

What a preset reads never changes: another id would be another account at Viafoura.
"""

from dataclasses import dataclass
from typing import Final

from viafoura_mw.user.sources import Source, parse
from viafoura_mw.user.user import UserSources

_NAME_OF_OBJECT: Final = "user:display_name|user:get_full_name()|user:full_name|user:name|user:username"


@dataclass(frozen=True, slots=True)
class Preset:
    """Where a kind of site keeps its user: the ``sources`` of the fields, and of the object that ``user:`` reads.

    ``user_object`` is empty where there is none, or where ``framework`` (one of
    :mod:`viafoura_mw.user.frameworks`) finds it.
    """

    sources: UserSources
    user_object: tuple[Source, ...] = ()
    framework: str | None = None


def _fields(user_id: str, name: str = "", email: str = "", *, separator: str = "") -> UserSources:
    id_, name_, email_ = (parse(text) if text else () for text in (user_id, name, email))
    return UserSources(id_, name_, email_, separator=separator)


def _framework(name: str, user_id: str) -> Preset:
    return Preset(_fields(user_id, _NAME_OF_OBJECT, "user:email"), framework=name)


PRESETS: Final = {
    "off": Preset(UserSources()),
    "remote-user": Preset(_fields("environ:REMOTE_USER")),
    "scope": Preset(
        _fields("user:id|user:pk|user:identity|user:sub|user:username", _NAME_OF_OBJECT, "user:email"),
        user_object=parse("scope:user|scope:state/user"),
    ),
    "django": _framework("django", "user:pk"),
    "flask-login": _framework("flask-login", "user:get_id()"),
    "pyramid": _framework("pyramid", "user:authenticated_userid"),
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
