#!/usr/bin/env bash
# A real S3 server: Ceph's object gateway with one monitor and one store in memory. No root, nothing is installed on the
# system; the first run loads about 140 MB of packages into .cache/servers/ceph, later ones start in a few seconds.
#   s3-ceph.sh PORT
# Prints `ready` and serves 127.0.0.1:PORT (access key AKIDBTAR, secret key SECRETBTAR) until it gets a signal or its
# standard input is closed, so that it ends with whoever started it. Nothing that it stored outlives it.
set -euo pipefail
port=$1
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/ceph
"$here/debian-tree.sh" "$tree" radosgw ceph-mon ceph-osd ceph-common
tree=$(cd "$tree" && pwd)
libraries=$tree/usr/lib/$(uname -m)-linux-gnu
state=$(mktemp -d "${TMPDIR:-/tmp}/btar-ceph.XXXXXX")

daemons=()
finish() {
  trap - EXIT
  kill -KILL "${daemons[@]}" 2>/dev/null || true # there is nothing that they would have to save
  wait "${daemons[@]}" 2>/dev/null || true
  rm -rf "$state"
}
fail() { echo "s3-ceph.sh: $*" >&2; tail -n 15 "$state"/*.out >&2 || true; exit 1; }
trap finish EXIT
trap 'exit 0' INT TERM HUP

# Daemons bind to ports from here on that are free; the monitor's must be known to all beforehand. They are below
# the range that systems give to outgoing connections.
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
monitor_port=0
until [ "$monitor_port" -gt 0 ] && is_free "$monitor_port"; do monitor_port=$((20000 + RANDOM % 10000)); done

fsid=$(cat /proc/sys/kernel/random/uuid)
cat >"$state/ceph.conf" <<CONF
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$monitor_port]
public_addr = 127.0.0.1
ms_bind_port_min = 30000
ms_bind_port_max = 32700
keyring = $state/keyring
mon_data = $state/mon
osd_data = $state/osd
rgw_data = $state/rgw
run_dir = $state
crash_dir = $state/crash
admin_socket =
pid_file =
log_file =
log_to_stderr = true
plugin_dir = $libraries/ceph
erasure_code_dir = $libraries/ceph/erasure-code
osd_class_dir = $libraries/rados-classes
osd_objectstore = memstore
memstore_device_bytes = 3221225472
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
# Tests run on disks of any kind and fill, and what is stored need not survive: no waiting, no room kept free.
mon_data_avail_crit = 0
mon_data_avail_warn = 0
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
[client]
rgw_frontends = beast endpoint=127.0.0.1:$port tcp_nodelay=1
CONF

run() { local program=$1; shift; "$here/run-in-tree.sh" "$tree" "usr/bin/$program" "$@"; }
start() { # NAME PROGRAM ARG…
  local name=$1; shift
  "$here/run-in-tree.sh" "$tree" "usr/bin/$1" -c "$state/ceph.conf" -f "${@:2}" >"$state/$name.out" 2>&1 </dev/null &
  daemons+=($!)
}
administer() { # commands, one a line, on standard input
  PYTHONHOME=$tree/usr PYTHONPATH=$tree/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1 \
    timeout 60 "$here/run-in-tree.sh" "$tree" usr/bin/python3 "$tree/usr/bin/ceph" -c "$state/ceph.conf" --connect-timeout 30
}
add_key() { run ceph-authtool "$state/keyring" --gen-key -n "$@"; }

(
  run ceph-authtool --create-keyring "$state/keyring"
  add_key mon. --cap mon 'allow *'
  add_key client.admin --cap mon 'allow *' --cap osd 'allow *'
  add_key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  add_key client.rgw --cap mon 'allow rw' --cap osd 'allow rwx'
  run monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" "$state/monmap"
  mkdir "$state"/{mon,osd,rgw}
  run ceph-mon -c "$state/ceph.conf" --mkfs -i a --monmap "$state/monmap" --keyring "$state/keyring"
) >"$state/setup.out" 2>&1 || fail "the monitor's store cannot be made"
start monitor ceph-mon -i a

osd=$(cat /proc/sys/kernel/random/uuid)
printf '%s\n' "osd new $osd" "osd crush add osd.0 1.0 root=default host=local" |
  administer >"$state/administer.out" 2>&1 || fail "the monitor does not answer at 127.0.0.1:$monitor_port"
run ceph-osd -c "$state/ceph.conf" -i 0 --mkfs --osd-uuid "$osd" >"$state/setup.out" 2>&1 || fail "the store cannot be made"
start store ceph-osd -i 0
start gateway radosgw -n client.rgw

timeout 90 "$here/run-in-tree.sh" "$tree" usr/bin/radosgw-admin -c "$state/ceph.conf" user create --uid=btar \
  --display-name=btar --access-key=AKIDBTAR --secret-key=SECRETBTAR >"$state/user.out" 2>&1 || fail "the user cannot be made"
for _ in $(seq 300); do
  for daemon in "${daemons[@]}"; do kill -0 "$daemon" 2>/dev/null || fail "a part of the server ended"; done
  is_free "$port" || break
  sleep 0.1
done
! is_free "$port" || fail "the gateway does not listen on 127.0.0.1:$port after 30 s"
echo "ready: http://127.0.0.1:$port access key AKIDBTAR secret key SECRETBTAR"

exec 4<&0
cat <&4 >/dev/null & daemons+=($!)
wait -n "${daemons[@]}" || true
kill -0 "${daemons[-1]}" 2>/dev/null && fail "a part of the server ended"
exit 0
