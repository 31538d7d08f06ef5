"""What one user may cost the others: two logins at once, twelve a minute, and a pause after failures of their own.

Everything here goes by the user's id, which the site vouches for, and by nothing that a browser says: a visitor who
sends another cookie with each request is still one user.

The class knows no clock and no lock: its owner tells the time, in seconds that only grow, and lets one thread in.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from viafoura_mw.user.user import User

AT_ONCE: Final = 2  # logins of one user under way
A_MINUTE: Final = 12  # logins of one user
REFUSAL: Final = 60.0  # seconds for which a refused user is not tried again
FAILED_ANSWERS: Final = 2  # answers in a row that were a failure (5xx) and make a refusal
FAILURES: Final = 5  # failures in a row of any kind that make a refusal, while others may be well served
REMEMBERED: Final = 8192  # users

_MINUTE: Final = 60.0


@dataclass(slots=True, repr=False)
class _Record:
    """One user's logins. ``refused``: the name and e-mail address that were refused; ``None`` for any."""

    under_way: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)  # a deque takes 700 bytes for its first entry
    failures: int = 0
    failed_answers: int = 0
    refused_until: float = 0.0
    refused: tuple[str, str | None] | None = None


class UserLimits:
    """The bounds of each user. ``stuck``: seconds after which a login under way is written off, and counts no more."""

    def __init__(self, stuck: float) -> None:
        self._stuck = stuck
        self._records: OrderedDict[str, _Record] = OrderedDict()  # least recently used first

    def allow(self, user_id: str, now: float) -> bool:
        """Whether another login may begin for this user."""
        record = self._records.get(user_id)
        if record is None:
            return True
        if sum(now - begun <= self._stuck for begun in record.under_way) >= AT_ONCE:
            return False
        return len(record.begun) < A_MINUTE or now - record.begun[0] >= _MINUTE

    def begin(self, user_id: str, now: float) -> None:
        """Note that a login begins."""
        record = self._record(user_id)
        record.under_way.append(now)
        record.begun.append(now)
        del record.begun[:-A_MINUTE]

    def end(self, user_id: str, begun: float, *, sent: bool) -> None:
        """Note that the login that began at ``begun`` has ended; one that was never ``sent`` is none of the twelve."""
        record = self._records.get(user_id)
        if record is None:
            return
        if begun in record.under_way:
            record.under_way.remove(begun)
        if not sent and begun in record.begun:
            record.begun.remove(begun)

    def is_refused(self, user: User, now: float) -> bool:
        """Whether this user, or this user with these details, is not to be tried now."""
        record = self._records.get(user.id)
        if record is None or now >= record.refused_until:
            return False
        return record.refused is None or record.refused == (user.name, user.email)

    def refuse(self, user: User, now: float) -> None:
        """Viafoura refuses the user (4xx): it may be the name or the address that it does not like."""
        record = self._record(user.id)
        record.failures = record.failed_answers = 0
        record.refused_until, record.refused = now + REFUSAL, (user.name, user.email)

    def fail(self, user_id: str, now: float) -> None:
        """There was no usable answer in time. Several in a row: this user's pages need not wait on and on."""
        record = self._record(user_id)
        record.failures += 1
        if record.failures >= FAILURES:
            self._refuse_any(record, now)

    def fail_by_answer(self, user_id: str, now: float) -> None:
        """Viafoura answered the login with a failure. Twice in a row is a refusal: it may be this user's data."""
        record = self._record(user_id)
        record.failed_answers += 1
        if record.failed_answers >= FAILED_ANSWERS:
            self._refuse_any(record, now)

    def succeed(self, user_id: str) -> None:
        """The user is logged in."""
        record = self._record(user_id)
        record.failures = record.failed_answers = 0

    def _refuse_any(self, record: _Record, now: float) -> None:
        record.failures = record.failed_answers = 0
        record.refused_until, record.refused = now + REFUSAL, None

    def _record(self, user_id: str) -> _Record:
        record = self._records.setdefault(user_id, _Record())
        self._records.move_to_end(user_id)
        if len(self._records) > REMEMBERED:
            self._records.popitem(last=False)
        return record
