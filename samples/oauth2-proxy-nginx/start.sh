#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP=gazette:app
export VIAFOURA_USER=oauth2-proxy
export VIAFOURA_PROXY_SECRET=choose-a-long-random-one
exec gunicorn --bind "127.0.0.1:${PORT:-8001}" viafoura_mw.wsgi
