#!/usr/bin/env bash
# Prometheus and promtool, from Debian's packages. No root, nothing is installed on the system; the first run loads its
# packages into .cache/servers/prometheus, later ones take no time.
#   prometheus.sh PROGRAM ARGUMENT…
# Becomes the program, prometheus or promtool, with these arguments.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/prometheus
"$here/debian-tree.sh" "$tree" prometheus >&2
program=$1; shift
exec "$here/run-in-tree.sh" "$(cd "$tree" && pwd)" "usr/bin/$program" "$@"
