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
  cat >"$unfinished/bin/mysqld" <<'PROGRAM'
#!/bin/sh
tree=$(cd "$(dirname "$0")/../.." && pwd) name=$(basename "$0")
libraries=$tree/usr/lib/$(uname -m)-linux-gnu
for loader in "$libraries"/ld-linux-*.so.*; do :; done
program=$tree/usr/bin/$name
[ -e "$program" ] || program=$tree/usr/sbin/$name
exec "$loader" --library-path "$libraries:$libraries/mysql/private" --argv0 "$tree/basedir/bin/$name" "$program" "$@"
PROGRAM
  chmod 755 "$unfinished/bin/mysqld"
  for program in mysql mysqladmin mysqlbinlog mysqldump; do ln -s mysqld "$unfinished/bin/$program"; done
  mv -T "$unfinished" "$basedir"
fi
echo "$basedir"
