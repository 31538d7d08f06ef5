#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP=gazette:app
export VIAFOURA_USER=remote-user
export VIAFOURA_AUTH_COOKIES=session
export VIAFOURA_BRIDGE=1
exec gunicorn --bind "127.0.0.1:${PORT:-8001}" viafoura_mw.wsgi
