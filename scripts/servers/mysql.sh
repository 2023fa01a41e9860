#!/usr/bin/env bash
# MySQL 9.7, server and client programs, from Debian's packages. No root, nothing is installed on the system; the first
# run loads its packages into .cache/servers/mysql, later ones take no time.
#   mysql.sh
# Prints the folder .cache/servers/mysql/basedir, laid out like one of MySQL's own archives: bin, lib/plugin, share. Its
# programs run with the C library that was loaded with them, and their process is the one that was started.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/mysql
# Debian has MySQL only in the suite that its releases are made of.
DEBIAN_SUITE=sid "$here/debian-tree.sh" "$tree" mysql-server-core mysql-client-core
tree=$(cd "$tree" && pwd)
basedir=$tree/basedir

# Started by a link, a program takes the link's place for its own: a server looks there for what it is to load.
program=$(
  cat <<'PROGRAM'
#!/bin/sh
name=$(basename "$0") place=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
libraries=$tree/usr/lib/$(uname -m)-linux-gnu
for loader in "$libraries"/ld-linux-*.so.*; do :; done
program=$tree/usr/bin/$name
[ -e "$program" ] || program=$tree/usr/sbin/$name
exec "$loader" --library-path "$libraries:$libraries/mysql/private" --argv0 "$place/$name" "$program" "$@"
PROGRAM
)
put_program() { # BASEDIR
  local file
  file=$(mktemp "$1/bin/mysqld.XXXXXX")
  echo "$program" >"$file"
  chmod 755 "$file"
  mv -T "$file" "$1/bin/mysqld"
}

# All paths in it are relative, so it can be moved; it appears only when complete.
if [ ! -e "$basedir" ]; then
  exec 9>"$tree.lock"
  flock 9
fi
if [ ! -e "$basedir" ]; then
  unfinished=$tree/basedir.unfinished
  rm -rf "$unfinished"
  mkdir -p "$unfinished"/{bin,lib}
  ln -s ../../usr/lib/mysql/plugin "$unfinished/lib/plugin"
  ln -s ../usr/share/mysql "$unfinished/share"
  put_program "$unfinished"
  for name in mysql mysqladmin mysqlbinlog mysqldump; do ln -s mysqld "$unfinished/bin/$name"; done
  mv -T "$unfinished" "$basedir"
fi
[ "$(cat "$basedir/bin/mysqld")" = "$program" ] || put_program "$basedir" # it is of an older version of this script
echo "$basedir"
