#!/bin/sh
cd "$(dirname "$0")" || exit
PACKAGES=${PACKAGES:-$(python -c "import sysconfig; print(sysconfig.get_path('purelib'))")}
export PWD PACKAGES PORT="${PORT:-8000}" SCRIPT=viafoura.wsgi
exec apache2 -f "$PWD/apache.conf" -D FOREGROUND
