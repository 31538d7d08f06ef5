#!/bin/sh
cd "$(dirname "$0")" || exit
export PYTHONPATH=.
exec pserve before.ini port="${PORT:-8000}"
