"""The house from the ground up, by its code. ``python -m tests.layers`` prints each room, and whom it imports."""

import ast
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import viafoura_mw

ROOT = Path(viafoura_mw.__file__).parent
PACKAGE = ROOT.name

#: From the ground up; those of one line know nothing of each other.
LAYERS = """
    errors log dotenv interface per_process sites
    environment metrics
    user.user user.fields user.once user.sources
    user.presets user.jwt
    settings
    user.frameworks user.reading
    user.reader
    viafoura.pool viafoura.breaker viafoura.ending
    viafoura.workers
    viafoura.connecting viafoura.reading
    viafoura.socks
    viafoura.transport
    viafoura.client user.jwks
    user.jwks_by_kid
    viafoura.logouts viafoura.limits
    viafoura.logins
    viafoura.sessions
    page.html page.codings page.charsets
    bridge.script
    page.rewriter
    response.remembered response.known_cookies response.webob response.hold
    response.cookie response.headers response.proxies response.kept
    response.request response.effects
    response.guard
    response.exchange
    bridge.references
    bridge.policies bridge.holding bridge.sharing bridge.answers
    bridge.page bridge.asking
    bridge.shared
    bridge.site
    runtime
    loading waiting
    lifespan incoming
    wsgi_environ wsgi_head wsgi_body asgi_scope asgi_messages
    asgi_asked
    wsgi asgi
    paste gunicorn cgi run
    on_path
    testing
    demo
    commands
    __main__
"""
WINGS = {"user", "viafoura", "page", "response", "bridge"}
LEVELS = {name: level for level, line in enumerate(LAYERS.strip().splitlines()) for name in line.split()}


def _modules() -> dict[str, ast.Module]:
    """The package's modules by their dotted names."""
    trees = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_bytes())
    return trees


MODULES = _modules()


@cache
def imports_of(name: str) -> frozenset[str]:
    """The dotted names of all modules that a module imports, at any depth of its code."""
    is_package = (ROOT.parent / name.replace(".", "/") / "__init__.py").exists()
    package = name if is_package else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            inner = [f"{source}.{alias.name}" for alias in node.names]
            found.update(module if module in MODULES else source for module in inner)
    return frozenset(found)


def room_of(name: str) -> str:
    """The part of the house in which a module is: a wing's file or package, or one at the top."""
    names = name.split(".")[1:]
    return ".".join(names[: 2 if names and names[0] in WINGS else 1])


def main() -> None:
    """One line for each room, from the ground up."""
    for level, room in sorted((level, room) for room, level in LEVELS.items()):
        names = [name for name in MODULES if room_of(name) == room]
        others = {room_of(other) for name in names for other in imports_of(name) if other in MODULES}
        imported = ", ".join(sorted(others - {room, ""}, key=lambda other: (LEVELS.get(other, -1), other)))
        print(f"{level:>2}  {room:<26} {imported}")


if __name__ == "__main__":
    main()
