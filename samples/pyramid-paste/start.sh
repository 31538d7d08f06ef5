#!/bin/sh
cd "$(dirname "$0")" || exit
export PYTHONPATH=.
exec pserve site.ini port="${PORT:-8000}"
