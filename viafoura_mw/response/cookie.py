"""The cookie that holds a user's Viafoura session, in three forms, each sealed for one site.

- A *session* cookie holds a session of one user. It lives as long as the session is used.
- A *waiting* cookie says that a login for one user is under way, and by which mark its result is found. 60 seconds.
- An *ended* cookie says that this browser's session was ended, and when. 60 seconds.

A cookie is *authentic* when its seal, its site and its time are right. A session cookie is *valid* for a user when it
is authentic, was made for that user, and is not older than an ended cookie beside it. A browser may send several
cookies of our name, in an order that means nothing (RFC 6265 §4.2.2): another path or domain, after a change of the
settings, or one that somebody planted. Each cookie is judged by itself. A cookie that is not authentic changes
nothing, as if the browser had not sent it.
"""

import hmac
import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal

from viafoura_mw.response.webob import SignedSerializer, make_cookie
from viafoura_mw.user.user import User
from viafoura_mw.viafoura.client import Session

MAX_LENGTH: Final = 4096  # RFC 6265 §6.1: what a browser must be able to keep; nothing longer is ours
SHORT_LIFE: Final = 60.0  # seconds for which a browser keeps a waiting or an ended cookie
REFRESH_INTERVAL: Final = 600.0  # seconds between two logins of one browser for new details
SETTLED: Final = 60.0  # seconds after a login in which nobody is given another in its place
DAMPED: Final = 3600.0  # seconds for which a browser that was logged out by mistake is not logged out so again

#: Seconds for which an ended cookie is believed beyond its time: the machine that made it may have another clock, and
#: the browser drops it after a minute anyhow.
_OTHER_CLOCKS: Final = 30.0

#: Cookies of our name in one request: as many as browsers keep for a site in all (Chromium, Firefox), so that nobody
#: who plants others, from a neighbouring host, say, hides a user's own. To open one costs some microseconds.
_MOST_OPENED: Final = 180
_REMEMBERED: Final = 1024  # opened cookies kept per process, so that a user's next page costs no HMAC
_DIGEST: Final = re.compile(r"[0-9a-f]{32}")

#: RFC 6265bis §4.1.3: browsers keep a cookie of such a name, in any case, only if it is ``Secure``.
_SECURE_PREFIXES: Final = ("__secure-", "__host-", "__http-")


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class SealedSession:
    """An authentic session cookie.

    ``refreshed_at``: when a login for new details was last begun for this browser, or 0. ``damped_until``: until when
    a page without a user ends no session of this browser, or 0. ``ended_at``: when the session was ended in whose
    place this one came, or 0. All are unix times.
    """

    session: Session
    refreshed_at: float
    damped_until: float
    ended_at: float
    _user_digest: str
    _details_digest: str
    _key: "_Key"

    def is_of(self, user: User) -> bool:
        """Whether the session was made for the user with this id, whatever the user's details are now."""
        return hmac.compare_digest(self._user_digest, self._key.of_user(user))

    def has_details_of(self, user: User) -> bool:
        """Whether the user's name and e-mail address are those that Viafoura was told."""
        return hmac.compare_digest(self._details_digest, self._key.of_details(user))

    def may_refresh(self, now: float) -> bool:
        """Whether this browser's last login for new details is ten minutes ago, or there was none."""
        return now >= self.refreshed_at + REFRESH_INTERVAL

    def touched(self, now: float) -> str:
        """The value of the cookie once a login for new details has begun ``now``.

        The same key seals it: the digests of user and details are that key's.
        """
        session = self.session
        digests = (self._user_digest, self._details_digest)
        times = (now, self.damped_until, self.ended_at)
        return self._key.seal(["s", session.user_id, session.id, session.since, *digests, *times])


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Waiting:
    """An authentic waiting cookie.

    ``replaced_at``: when the ended cookie was made whose place this cookie took, or 0. ``damps``: whether a page
    without a user had made that ended cookie for this same user.
    """

    mark: str
    made_at: float
    replaced_at: float
    damps: bool
    user_digest: str
    key: "_Key"

    def is_of(self, user: User) -> bool:
        return hmac.compare_digest(self.user_digest, self.key.of_user(user))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Ended:
    """An authentic ended cookie; ``user_digest``: whose, or empty; ``by_page``: a page without a user made it.

    ``until``: until when it lasts, where it stands beside a session cookie that it cannot overwrite; else 0.
    """

    user_digest: str
    by_page: bool
    until: float = 0.0


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Brought:
    """The authentic cookies of our name that one request brought, each form with the youngest first.

    ``sessions`` also holds those that are older than an ended cookie beside them: a logout ends them as well.
    ``ended_at``: the unix time of this browser's last sign-out that a cookie here tells of, 0.0 if none does.
    ``is_damped``: a page without a user is to end no session of this browser now.
    """

    sessions: tuple[SealedSession, ...] = ()
    waiting: tuple[_Waiting, ...] = ()
    ended: tuple[_Ended, ...] = ()
    ended_at: float = 0.0
    is_damped: bool = False

    @property
    def is_authentic(self) -> bool:
        """Whether there is a session or a waiting cookie: something that a logout ends.

        A session that a lasting ended cookie tells of has been ended.
        """
        if any(cookie.until for cookie in self.ended):
            return bool(self.waiting) or any(sealed.session.since > self.ended_at for sealed in self.sessions)
        return bool(self.sessions or self.waiting)

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks of all waiting cookies."""
        return tuple(cookie.mark for cookie in self.waiting)

    def after_all(self, now: float) -> float:
        """The time of a sign-out that happens ``now``: later than everything that these cookies tell of.

        So it is, whatever the clocks say: another machine's may be ahead, and one that has not moved tells nothing.
        """
        times = [sealed.session.since for sealed in self.sessions] + [cookie.made_at for cookie in self.waiting]
        return max(now, *(math.nextafter(moment, math.inf) for moment in (*times, self.ended_at)))

    def valid_for(self, user: User) -> SealedSession | None:
        """The session cookie of ``user`` with the youngest login, unless an ended cookie is as young as that login."""
        for sealed in self.sessions:
            if sealed.session.since > self.ended_at and sealed.is_of(user):
                return sealed
        return None

    def mark_for(self, user: User) -> str:
        """The mark of the youngest waiting cookie of ``user`` that was not ended since; empty if there is none."""
        for cookie in self.waiting:
            if (cookie.made_at > self.ended_at or cookie.replaced_at == self.ended_at) and cookie.is_of(user):
                return cookie.mark
        return ""

    def of_another(self, user: User) -> bool:
        """Whether some session or waiting cookie here is not the cookie of ``user``."""
        own_sessions = all(sealed.is_of(user) for sealed in self.sessions)
        return not (own_sessions and all(cookie.is_of(user) for cookie in self.waiting))

    def signed_out_at(self, user: User) -> float:
        """When this browser last signed out, as far as ``user`` is concerned: no earlier login's result serves them.

        A browser that changes from one user to another signs out as it does so. If the first user comes back, an
        earlier login of theirs must not serve, wherever it is remembered. The other user's cookie tells the time of the
        change, and tells every request that brings it the same, so that one login serves them all.
        """
        others = self.of_others(user)
        times = [sealed.session.since for sealed in others.sessions] + [cookie.made_at for cookie in others.waiting]
        return max(self.ended_at, *times) if times else self.ended_at

    def of_others(self, user: User) -> "Brought":
        """The session and waiting cookies here that are not those of ``user``."""
        sessions = tuple(sealed for sealed in self.sessions if not sealed.is_of(user))
        return Brought(sessions, tuple(cookie for cookie in self.waiting if not cookie.is_of(user)))


NOTHING: Final = Brought()


class _Key:
    """One secret's keys: the seal's and the digests', each derived with a label of its own from secret and site."""

    def __init__(self, secret: str, site_id: str) -> None:
        self._serializer = SignedSerializer(_derived(secret, "seal", site_id).hex(), "", "sha256")
        self._digest_key = _derived(secret, "digest", site_id)
        self._digest = lru_cache(_REMEMBERED)(self._digested)

    def seal(self, content: Sequence[str | float]) -> str:
        """``content``, to be read by anybody and made by nobody else."""
        return self._serializer.dumps(content).decode("ascii")

    def open(self, value: str) -> object:
        """The content that was sealed; raises ``ValueError`` for all that this key did not seal, letter for letter."""
        content = self._serializer.loads(value.encode("ascii"))
        # Base64 can be written in several ways, of which one is ours.
        if self.seal(content) != value:
            raise ValueError("not as it was sealed")
        return content

    def of_user(self, user: User) -> str:
        return self._digest("id", user.id)

    def of_details(self, user: User) -> str:
        return self._digest("details", user.id, user.name, user.email or "")

    def _digested(self, *parts: str) -> str:
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._digest_key, message, sha256)[:16].hex()


def _derived(secret: str, label: str, site_id: str) -> bytes:
    return hmac.digest(secret.encode(), f"viafoura-mw cookie {label} 1\0{site_id}".encode(), sha256)


class SessionCookie:
    """Opens and makes the cookies of one site.

    ``secrets``: the first one seals, all open. ``session_ttl``: seconds for which a session is used after its login.
    ``secure``: ``"1"``, ``"0"``, or ``"auto"`` for "as the request". ``clock`` gives unix seconds.
    """

    def __init__(
        self,
        *,
        name: str,
        secrets: Sequence[str],
        site_id: str,
        session_ttl: float,
        path: str = "/",
        domain: str = "",
        samesite: Literal["lax", "strict", "none"] = "lax",
        secure: Literal["auto", "0", "1"] = "auto",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name: str = name
        self._keys = tuple(_Key(secret, site_id) for secret in secrets)
        self._session_ttl = session_ttl
        self._path = path
        self._domain = domain
        self._samesite = samesite
        self._clock = clock
        # Browsers drop a cookie with SameSite=None or such a name when it is not Secure.
        must_be_secure = samesite == "none" or name.lower().startswith(_SECURE_PREFIXES)
        self._secure = "1" if must_be_secure else secure
        ahead = rf"(?:^|;)[ \t]*+{re.escape(name)}[ \t]*+="
        self._named = re.compile(ahead)
        self._first_pair, self._next_pair = f"{name}=", f"; {name}="
        # 43 letters are the seal alone. Possessive: a value of a megabyte is looked through once.
        self._shaped = re.compile(rf"{ahead}[ \t]*+([A-Za-z0-9_-]{{43,{MAX_LENGTH}}}+)[ \t]*+(?![^;])")
        # What raises is not remembered, so that junk takes nobody's place.
        self._opened = lru_cache(_REMEMBERED)(self._open)

    def is_in(self, cookie_header: str) -> bool:
        """Whether a ``Cookie`` header has a cookie of our name, authentic or not."""
        if cookie_header.startswith(self._first_pair) or self._next_pair in cookie_header:  # as browsers write it
            return True
        return self.name in cookie_header and self._named.search(cookie_header) is not None

    def find(self, cookie_header: str) -> Brought:
        """The authentic cookies of a ``Cookie`` header. The work is linear in its length, and never raises."""
        if self.name not in cookie_header:
            return NOTHING
        now = self._clock()
        first = self._shaped.search(cookie_header)
        if first is None:
            return NOTHING
        if cookie_header.find(self.name, first.end()) < 0:  # nearly every page's
            found = [one] if (one := self._living_one(first[1], now)) is not None else []
        else:
            found = [*self._living(cookie_header, now)]
        if len(found) == 1 and not (found[0].sessions and found[0].sessions[0].damped_until):
            return found[0]  # as remembered
        return _together(found, now) if found else NOTHING

    def set(
        self,
        user: User,
        session: Session,
        *,
        brought: Brought = NOTHING,
        secure: bool,
        refreshed: bool = False,
        damped: bool = False,
    ) -> str:
        """The value of a ``Set-Cookie`` header that keeps ``session`` for ``user`` for the life that it has left.

        ``brought``: the cookies of the request. ``refreshed``: the session is that of a login for new details.
        ``damped``: it is known that a page without a user ended this user's session here just now.
        """
        key, now = self._keys[0], self._clock()
        ended_at = brought.signed_out_at(user)
        # The session is for a browser that has signed out before. If another machine's clock says otherwise, the ended
        # cookie, should it stay beside this one, must not count as the younger of the two.
        since = max(session.since, math.nextafter(ended_at, math.inf)) if ended_at else session.since
        own = [sealed for sealed in brought.sessions if sealed.is_of(user)]
        refreshed_at = now if refreshed else max((sealed.refreshed_at for sealed in own), default=0)
        damps = damped or self.damps(user, brought)
        damped_until = now + DAMPED if damps else max((s.damped_until for s in own), default=0)
        digests = (key.of_user(user), key.of_details(user))
        times = (refreshed_at, damped_until, ended_at)
        value = key.seal(["s", session.user_id, session.id, since, *digests, *times])
        return self._made(value, since + self._session_ttl - now, secure=secure)

    def damps(self, user: User, brought: Brought) -> bool:
        """Whether a page without a user ended this user's session in this browser within the last minute.

        Then the user was never gone: the site shows its user on some pages only.
        """
        digests = [key.of_user(user) for key in self._keys]
        if any(cookie.by_page and cookie.user_digest in digests for cookie in brought.ended):
            return True
        return any(cookie.damps and cookie.is_of(user) for cookie in brought.waiting)

    def may_refresh(self, sealed: SealedSession) -> bool:
        """Whether a login for new details may be made for this browser now."""
        return sealed.may_refresh(self._clock())

    def is_settled(self, sealed: SealedSession) -> bool:
        """Whether a cookie's login is a minute old or older: no other question of the browser's has just made it."""
        return self._clock() >= sealed.session.since + SETTLED

    def touch(self, sealed: SealedSession, *, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header: the same session, and a login for new details has begun now."""
        now = self._clock()
        return self._made(sealed.touched(now), sealed.session.since + self._session_ttl - now, secure=secure)

    def wait(self, user: User, mark: str, *, brought: Brought = NOTHING, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header in the waiting form: the login for ``user`` is known by ``mark``."""
        key, damps = self._keys[0], self.damps(user, brought)
        value = key.seal(["w", key.of_user(user), mark, self._clock(), brought.signed_out_at(user), damps])
        return self._made(value, SHORT_LIFE, secure=secure)

    def end(self, brought: Brought, *, by_page: bool, secure: bool) -> str:
        """The value of a ``Set-Cookie`` header in the ended form.

        ``by_page``: a page without a user is the reason, not a sign-out page or another user. An ended cookie that is
        already there beside a session cookie shows that it cannot overwrite that one, which has another domain or path:
        since a change of the settings, say. The browser would go on to bring the ended session once the ended cookie is
        gone, so the ended cookie then lasts as long as the other can.
        """
        digests = [cookie._user_digest for cookie in brought.sessions]
        digests += [cookie.user_digest for cookie in brought.waiting]
        ended_at = brought.after_all(self._clock())
        content: list[str | float] = ["e", ended_at, digests[0] if digests else "", by_page]
        if not (brought.ended and brought.sessions):
            return self._made(self._keys[0].seal(content), SHORT_LIFE, secure=secure)
        until = max(sealed.session.since for sealed in brought.sessions) + self._session_ttl
        lasting = self._keys[0].seal([*content[:3], False, until])
        return self._made(lasting, until - self._clock(), secure=secure)

    def is_secure(self, *, secure: bool) -> bool:
        """Whether the cookie carries ``Secure`` when the request came over https (``secure``) or did not."""
        return self._secure == "1" or (self._secure == "auto" and secure)

    def _living(self, cookie_header: str, now: float) -> Iterator[Brought]:
        """Each cookie whose seal is right and whose time is not over, alone. Of one that is sent twice the first."""
        seen: set[str] = set()
        for match in self._shaped.finditer(cookie_header):
            if match[1] in seen:
                continue
            if len(seen) == _MOST_OPENED:
                return
            seen.add(match[1])
            if (one := self._living_one(match[1], now)) is not None:
                yield one

    def _living_one(self, value: str, now: float) -> Brought | None:
        try:
            one = self._opened(value)
        except ValueError:
            return None
        return one if self._lives(one, now) else None

    def _lives(self, one: Brought, now: float) -> bool:
        """Whether the time of a single cookie is not over."""
        if one.sessions:
            return now < one.sessions[0].session.since + self._session_ttl
        if one.waiting:
            return now < one.waiting[0].made_at + SHORT_LIFE
        return now < max(one.ended_at + SHORT_LIFE + _OTHER_CLOCKS, one.ended[0].until)

    def _open(self, value: str) -> Brought:
        for key in self._keys:
            try:
                content = key.open(value)
            except ValueError:
                continue
            return _cookie_of(content, key)
        raise ValueError("sealed with none of the keys")

    def _made(self, value: str, life: float, *, secure: bool) -> str:
        header: str = make_cookie(
            self.name,
            value,
            path=self._path,
            domain=self._domain or None,
            secure=self.is_secure(secure=secure),
            httponly=True,
            samesite=self._samesite,
        )
        # Not by WebOb, which would add an Expires by a clock of its own.
        return f"{header}; Max-Age={max(0, int(life))}"


def _together(found: Sequence[Brought], now: float) -> Brought:
    sessions = [sealed for one in found for sealed in one.sessions]
    waiting = [cookie for one in found for cookie in one.waiting]
    return Brought(
        tuple(sorted(sessions, key=lambda sealed: -sealed.session.since)),
        tuple(sorted(waiting, key=lambda cookie: -cookie.made_at)),
        tuple(cookie for one in found for cookie in one.ended),
        max(one.ended_at for one in found),
        any(now < sealed.damped_until for sealed in sessions),
    )


def _cookie_of(content: object, key: _Key) -> Brought:
    """The one cookie that this version seals so; raises ``ValueError`` for the content of another version."""
    match content:
        case ["s", str(user_id), str(session_id), since, str(of_user), str(of_details), refreshed, damped, ended]:
            session = Session(user_id, session_id, _time(since))
            times = (_time(refreshed), _time(damped), _time(ended))
            sealed = SealedSession(session, *times, _digest(of_user), _digest(of_details), key)
            return Brought(sessions=(sealed,), ended_at=sealed.ended_at)
        case ["w", str(of_user), str(mark), made, replaced, bool(damps)] if mark:
            waiting = _Waiting(mark, _time(made), _time(replaced), damps, _digest(of_user), key)
            return Brought(waiting=(waiting,), ended_at=waiting.replaced_at)
        case ["e", made, str(of_user), bool(by_page)]:
            cookie = _Ended(of_user and _digest(of_user), by_page)
            return Brought(ended=(cookie,), ended_at=_time(made))
        case ["e", made, str(of_user), False, until]:
            cookie = _Ended(of_user and _digest(of_user), by_page=False, until=_time(until))
            return Brought(ended=(cookie,), ended_at=_time(made))
    raise ValueError("of another version")


def _digest(text: str) -> str:
    if _DIGEST.fullmatch(text):
        return text
    raise ValueError("not a digest")


def _time(value: object) -> float:
    """A unix time within the next 30,000 years, or 0."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return value
    raise ValueError("not a time")
