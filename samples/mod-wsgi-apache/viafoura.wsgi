"""gazette.wsgi with the middleware around it. Apache's SetEnv does not reach os.environ: the settings are in a file."""

import os

folder = os.path.dirname(os.path.abspath(__file__))
os.environ["VIAFOURA_ENV_FILE"] = os.path.join(folder, "viafoura.env")
os.environ["VIAFOURA_APP"] = os.path.join(folder, "gazette.wsgi")

from viafoura_mw.wsgi import application
