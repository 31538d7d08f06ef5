"""Sign a site's own signed-in users in to Viafoura, from outside the site's code."""

from viafoura_mw.settings import Settings

__all__ = ["Settings"]
