#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP="gazette:create_app()"
exec waitress-serve --listen="127.0.0.1:${PORT:-8000}" viafoura_mw.wsgi:app
