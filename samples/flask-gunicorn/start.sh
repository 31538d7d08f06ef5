#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP=gazette:app
exec gunicorn --bind "127.0.0.1:${PORT:-8000}" viafoura_mw.wsgi
