"""What a reading of the user went by: the answer, and the source of each field, never a value."""

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from viafoura_mw.commands.seeking import Seeker
from viafoura_mw.settings import Settings
from viafoura_mw.user import frameworks
from viafoura_mw.user.reader import UserReader
from viafoura_mw.user.reading import Root
from viafoura_mw.user.sources import Source
from viafoura_mw.user.user import NotKnown, Reading, User

#: Makes a reader for settings, as the composition root does.
MakeReader = Callable[[Settings], UserReader]
_Read = Callable[[UserReader], Awaitable[Reading | None]]


@dataclass(slots=True)
class Noted:
    """The last reading's ``answer``: ``user``, ``nobody``, ``not known``, or ``not asked``; the ``sources`` of a user.

    ``sources`` are empty texts for fields that were not found. ``instead``: what could be set for a user to be found
    where none was, if anything is known.
    """

    answer: str = "not asked"
    preset: str = ""
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    instead: str = ""


class NotingReader:
    """A user reader that notes what each reading went by; whatever else it is asked goes to the ``reader`` itself.

    Which of several sources gave a field is found by reading again with each alone, in the same place and moment: what
    a site's objects do when they are read, they do once more.
    """

    def __init__(self, reader: UserReader, settings: Settings, make: MakeReader) -> None:
        self.noted: Noted = Noted()
        self._reader = reader
        self._settings = settings
        self._make = make
        self._seeker = Seeker()
        self._served: object = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def expect(self, request: MutableMapping[str, Any]) -> object:
        """As the reader's; frameworks leave what they have in any case, for whatever could be set instead."""
        expected = self._reader.expect(request)
        self._served = frameworks.expect(request)
        return expected

    def read_free(self, root: Root, expected: object) -> Reading | None:
        """As the reader's; under ASGI too, where nothing is to be awaited for it."""
        return self._sought(_at_once(self._read(lambda reader: _now(reader.read_free(root, expected)))), root)

    def read_in_environ(self, environ: Mapping[str, Any], root: Root, expected: object) -> Reading:
        """As the reader's."""
        read = self._read(lambda reader: _now(reader.read_in_environ(environ, root, expected)))
        return self._sought(_at_once(read), root) or NotKnown()

    async def read_in_scope(self, scope: Mapping[str, Any], root: Root, expected: object) -> Reading:
        """As the reader's."""
        read = self._read(lambda reader: reader.read_in_scope(scope, root, expected))
        return self._sought(await read, root) or NotKnown()

    def _sought(self, reading: Reading | None, root: Root) -> Reading | None:
        if reading is not None and not isinstance(reading, User):
            self.noted.instead = self._seeker.found(root)
        return reading

    async def _read(self, read: _Read) -> Reading | None:
        reading = await read(self._reader)
        if reading is not None:
            answer = {User: "user", NotKnown: "not known"}.get(type(reading), "nobody")
            self.noted = Noted(answer, self._reader.preset_name)
        if isinstance(reading, User):
            self.noted.sources = await self._sources_of(reading, read)
        return reading

    async def _sources_of(self, user: User, read: _Read) -> dict[str, str]:
        settings = dataclasses.replace(self._settings, user=self._reader.preset_name)
        sources = settings.preset(settings.user).sources
        ids = [(source, dataclasses.replace(settings, user_id=(source,))) for source in sources.id]
        id_ = await self._first(ids, read, lambda found: found.id == user.id)
        names = [(source, dataclasses.replace(settings, user_name=(source,))) for source in sources.name]
        emails = [(source, dataclasses.replace(settings, user_email=(source,))) for source in sources.email]
        # A user without a name is named by the id, whichever source of a name is asked.
        name = "" if user.name == user.id else await self._first(names, read, lambda found: found.name == user.name)
        email = await self._first(emails, read, lambda found: found.email == user.email) if user.email else ""
        return {"id": id_, "name": name, "email": email}

    async def _first(
        self, alternatives: Iterable[tuple[Source, Settings]], read: _Read, gives_the_same: Callable[[User], bool]
    ) -> str:
        """The first of the sources that gives the same where it is the only one of its field."""
        for source, settings in alternatives:
            reading = await read(self._make(settings))
            if isinstance(reading, User) and gives_the_same(reading):
                return str(source)
        return ""


async def _now(reading: Reading | None) -> Reading | None:
    return reading


def _at_once(reading: Awaitable[Reading | None]) -> Reading | None:
    """What is read where nothing is to be awaited for it."""
    read: list[Reading | None] = []

    async def note() -> None:
        read.append(await reading)

    with suppress(StopIteration):
        note().send(None)
    return read[0]
