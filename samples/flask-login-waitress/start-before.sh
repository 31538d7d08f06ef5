#!/bin/sh
cd "$(dirname "$0")" || exit
exec waitress-serve --listen="127.0.0.1:${PORT:-8000}" --call gazette:create_app
