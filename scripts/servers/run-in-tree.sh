#!/usr/bin/env bash
# Runs a program of a folder made by debian-tree.sh, with the C library of that folder and not the system's.
#   run-in-tree.sh DIR usr/bin/PROGRAM ARG…
set -euo pipefail
dir=$1; program=$2; shift 2
libraries=$dir/usr/lib/$(uname -m)-linux-gnu
loader=$(echo "$libraries"/ld-linux-*.so.*)
[ -x "$loader" ] || { echo "run-in-tree.sh: $dir holds no programs; make it with debian-tree.sh" >&2; exit 1; }
exec "$loader" --library-path "$libraries:$libraries/ceph:$libraries/systemd" --argv0 "$dir/$program" "$dir/$program" "$@"
