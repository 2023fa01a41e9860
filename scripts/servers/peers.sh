#!/usr/bin/env bash
# The programs that btar is measured against, from Debian's packages: pgBackRest 2.60, and PostgreSQL 18 with pgbench and
# pg_basebackup. No root, nothing is installed on the system; the first run loads about 60 MB into .cache/servers/peers.
#   peers.sh
# Prints the folder. Programs there run as they are, each with the C library of the folder: pgBackRest starts itself
# again and PostgreSQL starts pgBackRest, so that a wrapper around them would have to be around all.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/peers
# pgBackRest is measured as it is today, which Debian has in the suite that its releases are made of.
DEBIAN_SUITE=sid "$here/debian-tree.sh" "$tree" postgresql-18 pgbackrest patchelf
tree=$(cd "$tree" && pwd)

# The programs name their loader by its full path, so it is written again where the folder was moved.
exec 9>"$tree.lock"
flock 9
if [ "$(cat "$tree/.made-for" 2>/dev/null)" != "$tree" ]; then
  libraries=$tree/usr/lib/$(uname -m)-linux-gnu
  loader=$(echo "$libraries"/ld-linux-*.so.*)
  [ -x "$loader" ] || { echo "peers.sh: no C library in $tree; remove the folder and try again" >&2; exit 1; }
  for program in "$tree"/usr/lib/postgresql/18/bin/* "$tree/usr/bin/pgbackrest"; do
    "$here/run-in-tree.sh" "$tree" usr/bin/patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
  done
  echo "$tree" >"$tree/.made-for"
fi
echo "$tree"
