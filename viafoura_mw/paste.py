"""The PasteDeploy door: ``use = egg:viafoura-mw`` in a filter's section of an ini file.

Settings come from the environment; the section's own say otherwise where they are given, as ``site_id = …`` or by the
whole name, ``VIAFOURA_SITE_ID = …``.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from viafoura_mw.environment import laid_over
from viafoura_mw.errors import SettingsError
from viafoura_mw.settings import Settings, unknown
from viafoura_mw.wsgi import ViafouraMiddleware

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_PREFIX = "VIAFOURA_"


def filter_app_factory(app: "WSGIApplication", _: Mapping[str, str], **section: Any) -> ViafouraMiddleware:
    """``app`` wrapped, for PasteDeploy's entry point ``paste.filter_app_factory``.

    Raises :class:`~viafoura_mw.errors.SettingsError` for what is wrong in the environment, and for a key of the section
    that is no setting.
    """
    return ViafouraMiddleware(app, Settings.from_env(_environ(section)))


def _environ(section: Mapping[str, Any]) -> dict[str, str]:
    """The environment, with what the section says instead; a secret and its file hide each other."""
    own: dict[str, str] = {}
    problems = []
    for key, value in section.items():
        name = _PREFIX + key.upper().removeprefix(_PREFIX)
        if name in own:
            problems.append(f"{name} is set twice in the ini file's section")
        own[name] = str(value)
    problems += [f"{sentence} (in the ini file's section)" for sentence in unknown(own)]
    if problems:
        raise SettingsError(problems)
    return laid_over(os.environ, own)
