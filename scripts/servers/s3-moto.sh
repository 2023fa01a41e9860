#!/usr/bin/env bash
# A light S3 server in memory (moto). No root, nothing is installed on the system; the first run loads about 35 MB of
# packages into .cache/servers/moto.
#   s3-moto.sh PORT
# Serves 127.0.0.1:PORT, any credentials do, until it gets a signal or its standard input is closed, so that it ends
# with whoever started it.
set -euo pipefail
port=$1
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/moto
"$here/debian-tree.sh" "$tree" python3-moto python3-flask python3-flask-cors python3-werkzeug
tree=$(cd "$tree" && pwd)

daemons=()
trap 'trap - EXIT; kill "${daemons[@]}" 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM HUP
export PYTHONHOME=$tree/usr PYTHONPATH=$tree/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1
"$here/run-in-tree.sh" "$tree" usr/bin/python3 "$tree/usr/bin/moto_server" -H 127.0.0.1 -p "$port" </dev/null >/dev/null &
daemons+=($!)
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
for _ in $(seq 300); do
  kill -0 "${daemons[0]}" 2>/dev/null || { echo "s3-moto.sh: the server ended; see above" >&2; exit 1; }
  is_free || break
  sleep 0.1
done
! is_free || { echo "s3-moto.sh: nothing listens on 127.0.0.1:$port after 30 s" >&2; exit 1; }
echo "ready: http://127.0.0.1:$port access key AKIDBTAR secret key SECRETBTAR"
exec 4<&0
cat <&4 >/dev/null & daemons+=($!)
wait -n "${daemons[@]}" || true
