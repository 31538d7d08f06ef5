"""Several sites in one process: the tables of ``VIAFOURA_SITES_FILE``, and the host by which a request chooses one.

    ["www.courier.example"]
    site_id = "00000000-0000-4000-8000-00000000c0de"
    api_key_file = "/run/secrets/courier"

    ["*.gazette.example"]
    site_id = "00000000-0000-4000-8000-0000000006a2"
    api_key_file = "/run/secrets/gazette"
    logout_paths = ["/sign-out", "/account/leave"]

A table's name is a host, or a glob of hosts. A request's host chooses the table of exactly that name, else the glob
with the most literal characters. Two globs with equally many, both of which match some host, would leave the choice to
chance: that is an error at start-up.

A ``Host`` header is a visitor's own word. It chooses among the operator's tables, and can name nothing else: a text
that is no host's name, or is longer than one can be, chooses none.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache, lru_cache
from itertools import combinations
from typing import Any, Final, Generic, TypeVar

SITES_FILE: Final = "VIAFOURA_SITES_FILE"
#: What is one for the whole process, whatever number of sites it serves.
OF_THE_PROCESS: Final = (
    "VIAFOURA_APP",
    "VIAFOURA_ENABLED",
    "VIAFOURA_ENV_FILE",
    "VIAFOURA_METRICS",
    SITES_FILE,
)
LONGEST_HOST: Final = 253  # characters of a domain's name (RFC 1035 §2.3.4 leaves 255 octets for its labels)

_PREFIX: Final = "VIAFOURA_"
#: RFC 9110 §7.2 and RFC 3986 §3.2.2: a name or an address, then maybe a port; the root's dot belongs to no name here.
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+?)\.?(?::[0-9]*)?")
_TABLE_NAME: Final = re.compile(r"\[[0-9a-f:.]+\]|[0-9a-z_.*?-]+")
_LONGEST_HEADER: Final = LONGEST_HOST + 8  # a dot, a colon, a port
_REMEMBERED: Final = 1024  # spellings of hosts, per middleware, so that a site's next request costs no search

_T = TypeVar("_T")


# The file.


@dataclass(frozen=True, slots=True)
class Table:
    """One site's table: its ``name``, and what it says, as variables of an environment."""

    name: str
    variables: Mapping[str, str] = field(repr=False)


def told(name: str, problem: str) -> str:
    """A problem's sentence, with the table in which it is."""
    return f"{SITES_FILE} [{json.dumps(name)}]: {problem}"


def tables(text: str, known: Collection[str], problems: list[str]) -> list[Table]:
    """The tables of a sites file, with names as hosts are compared; what is wrong is added to ``problems``.

    ``known``: the variables that a table may set.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:  # whose text may quote a secret
        place = re.search(r"line [0-9]+", str(error))
        problems.append(f"{SITES_FILE} is not valid TOML, as of its {place[0] if place else 'end'}")
        return []
    if not content:
        problems.append(f"{SITES_FILE} has no table: each site has one, named by its host")
    found = []
    for name, table in content.items():
        if not isinstance(table, Mapping):
            problems.append(
                f"{SITES_FILE} has {json.dumps(name)} above its tables: set in the environment what is for all sites"
            )
        elif any(isinstance(value, Mapping) for value in table.values()):
            problems.append(
                told(name, 'has a table within: a host with dots is put in quotes, as ["www.site.example"]')
            )
        else:
            found.append(Table(name.lower().rstrip("."), dict(_variables(name, table, known, problems))))
    problems += problems_of_names([table.name for table in found])
    return found


def _variables(
    name: str, table: Mapping[str, Any], known: Collection[str], problems: list[str]
) -> Iterator[tuple[str, str]]:
    keys = [variable.removeprefix(_PREFIX).lower() for variable in known]
    for key, value in table.items():
        variable = _PREFIX + key.upper()
        try:
            if variable in OF_THE_PROCESS:
                raise ValueError("is one for the whole process: set it in the environment")
            if key not in keys:
                near = difflib.get_close_matches(key.lower().removeprefix(_PREFIX.lower()), keys, 1)
                raise ValueError(f"is not a setting of viafoura-mw{f'; did you mean {near[0]}?' if near else ''}")
            yield variable, _text(value)
        except ValueError as error:
            problems.append(told(name, f"{key} {error}"))


def _text(value: object) -> str:
    """A value as an environment would have it."""
    match value:
        case bool():
            return str(int(value))
        case str() | int() | float():
            return str(value)
        case list() if not any(isinstance(item, list) for item in value):
            return ",".join(map(_text, value))
    raise ValueError("must be a text, a number, true, false, or a list of them")


def problems_of_names(names: Sequence[str]) -> list[str]:
    """A sentence for each name that no host can have, and for each two of which a host could have both."""
    problems = []
    for name in dict.fromkeys(names):
        if not _TABLE_NAME.fullmatch(name) or len(name) > LONGEST_HOST or ".." in name:
            sentence = "is no host: a name in ASCII (xn--…) or an address, without scheme and port; * and ? are wild"
            problems.append(told(name, sentence))
        if names.count(name) > 1:
            problems.append(told(name, "is there more than once: capitals and a dot at the end make no difference"))
    for one, other in combinations(dict.fromkeys(filter(_is_glob, names)), 2):
        if _literals(one) == _literals(other) and _meet(one, other):
            problems.append(
                told(one, f"matches some hosts as well as [{json.dumps(other)}]: make one of them more exact")
            )
    return problems


def _is_glob(name: str) -> bool:
    return "*" in name or "?" in name


def _literals(name: str) -> int:
    return len(name) - name.count("*") - name.count("?")


def _meet(one: str, other: str) -> bool:
    """Whether some text matches both globs."""

    @cache
    def meet(at: int, there: int) -> bool:
        mine, theirs = one[at : at + 1], other[there : there + 1]
        if "*" in (mine, theirs):
            passes_by = meet(at + 1, there) if mine == "*" else meet(at, there + 1)
            return passes_by or (meet(at, there + 1) if mine == "*" and theirs else bool(mine) and meet(at + 1, there))
        if not (mine and theirs):
            return mine == theirs
        return (mine == theirs or "?" in (mine, theirs)) and meet(at + 1, there + 1)

    return meet(0, 0)


# The choice.


class Hosts(Generic[_T]):
    """What belongs to each host: a site, or ``otherwise`` for a host that no table names."""

    def __init__(self, sites: Iterable[tuple[str, _T]], otherwise: _T) -> None:
        sites = list(sites)
        globs = sorted((pair for pair in sites if _is_glob(pair[0])), key=lambda pair: -_literals(pair[0]))
        self._exact: Mapping[str, _T] = {name: site for name, site in sites if not _is_glob(name)}
        self._glob = re.compile("|".join(f"({translate(name)})" for name, _ in globs)) if globs else None
        self._of_globs = [site for _, site in globs]
        self._otherwise = otherwise
        self._remembered = lru_cache(_REMEMBERED)(self._by_name)

    def choose(self, host: str) -> _T:
        """The site of a request's ``Host``; empty where there is none."""
        site = self._exact.get(host)
        if site is not None:
            return site
        return self._remembered(host) if len(host) <= _LONGEST_HEADER else self._otherwise

    def _by_name(self, host: str) -> _T:
        if (found := _HOST.fullmatch(host)) is None:
            return self._otherwise
        name = found[1].lower()
        if name in self._exact:
            return self._exact[name]
        if self._glob is not None and (matched := self._glob.fullmatch(name)) is not None:
            return self._of_globs[(matched.lastindex or 1) - 1]
        return self._otherwise
