#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP=gazette.wsgi
exec gunicorn --bind "127.0.0.1:${PORT:-8000}" --workers 2 viafoura_mw.wsgi
