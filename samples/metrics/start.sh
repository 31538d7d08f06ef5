#!/bin/sh
cd "$(dirname "$0")" || exit
export VIAFOURA_APP=gazette:app VIAFOURA_METRICS=1
exec uvicorn --port "${PORT:-8000}" viafoura_mw.asgi:app
