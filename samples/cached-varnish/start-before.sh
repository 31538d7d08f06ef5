#!/bin/sh
cd "$(dirname "$0")" || exit
exec gunicorn --bind "127.0.0.1:${PORT:-8001}" gazette:app
