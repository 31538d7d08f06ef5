#!/bin/sh
cd "$(dirname "$0")" || exit
exec uvicorn --port "${PORT:-8000}" gazette:app
