"""The three answers to "who is it": a user, nobody, or not known. What is not known changes nothing."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, repr=False)
class User:
    """A user of the site: ``id`` as the site knows them, ``name`` to be shown, ``email`` when known.

    ``complete`` is false where the source of a name or an e-mail address raised, or gave what is none: then these
    details say nothing about a change. Two users are equal whether they are complete or not.
    Viafoura's document, "The login endpoint": ``id`` and ``name`` are required, ``email`` is optional.
    """

    id: str
    name: str
    email: str | None = None
    complete: bool = field(default=True, compare=False)

    def __repr__(self) -> str:
        return "<User>"


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody is signed in: the place where a user would be says so.

    ``laid_out``: a user object, a session or a key was there, and empty. Else a key is merely missing that every
    request of a signed-in user has (``REMOTE_USER``, the header of a proxy that is believed).
    """

    laid_out: bool = True


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Nobody asked who it is, or that failed, or whoever says so is not believed, or what was said is no id."""


#: What every reader returns.
Reading = User | Nobody | NotKnown
