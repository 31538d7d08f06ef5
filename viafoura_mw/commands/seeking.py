"""Where a page has its user, if not where the settings look: the places in which sites often keep one, tried out."""

from typing import Any, Final, cast

from viafoura_mw.log import Notices
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.reading import Root
from viafoura_mw.user.sources import UserSources, parse
from viafoura_mw.user.user import User

#: What may be set, each by the variable and its value; ids before names, since a name may change.
_OFTEN: Final = (
    *(("VIAFOURA_USER", preset) for preset in ("quart-auth", "cherrypy", "zope")),
    *(
        ("VIAFOURA_USER_ID", f"session:{path}")
        for path in ("user_id", "userid", "uid", "account_id", "member_id", "user/id", "user/sub", "user/userinfo/sub")
    ),
    *(("VIAFOURA_USER_ID", f"g:{path}") for path in ("user/id", "current_user/id", "user_id")),
    *(("VIAFOURA_USER_ID", f"scope:{path}") for path in ("state/user_id", "state/current_user/id", "auth/user_id")),
    ("VIAFOURA_USER_ID", "environ:repoze.who.identity/repoze.who.userid"),
    *(("VIAFOURA_USER_ID", f"session:{path}") for path in ("user/username", "username", "user_name", "user")),
    *(("VIAFOURA_USER_ID", f"g:{path}") for path in ("user/username", "username", "user")),
)


class _Unheard:
    """Notices of what is only tried out."""

    def tell(self, *said: object) -> None:
        """Say nothing."""


class Seeker:
    """Tries what may be set, one after another; made before the page is asked for, so that frameworks are hooked."""

    def __init__(self) -> None:
        self._tried: list[tuple[str, UserReader]] = []
        unheard = cast(Notices, _Unheard())
        for variable, value in _OFTEN:
            own = UserSources(parse(value)) if variable == "VIAFOURA_USER_ID" else UserSources()
            reader = UserReader("off" if own.id else value, own, unheard, otherwise="remote-user")
            self._tried.append((f"{variable}={value}", reader))

    def found(self, root: Root) -> str:
        """The first setting by which the response that ``root`` leads to would have a user; empty for none."""
        request: Any = root("environ") or root("scope")
        for setting, reader in self._tried:
            if isinstance(reader.read_in_environ(request, root, None), User):
                return setting
        return ""
