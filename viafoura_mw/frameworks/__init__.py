"""What makes the user of a framework readable from outside, for frameworks that keep it to themselves."""

from collections.abc import MutableMapping
from typing import Any


def recognised() -> str | None:
    """The preset of the framework that is running in this process, if it is one that has a preset."""
    return None


def user_in_environ(framework: str | None, environ: MutableMapping[str, Any]) -> Any:
    """The user object of a request that ``framework`` has answered under WSGI; may query, raises as the site does."""
    raise NotImplementedError(framework)


async def user_in_scope(framework: str | None, scope: MutableMapping[str, Any]) -> Any:
    """The user object of a request that ``framework`` has answered under ASGI; may query, raises as the site does."""
    raise NotImplementedError(framework)
