#!/usr/bin/env bash
# Chromium, from Debian's packages, for tests and pictures of the console. No root, nothing is installed on the system;
# the first run loads about 130 MB into .cache/servers/chromium, later ones take no time.
#   chromium.sh
# Prints the path of a program that takes Chromium's arguments. It has its own C library and fonts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$here/../../.cache/servers/chromium
"$here/debian-tree.sh" "$tree" chromium fonts-dejavu-core fonts-liberation patchelf >&2
tree=$(cd "$tree" && pwd -P)

# Chromium starts itself again, so it must run without a wrapper around it; the program names its loader by its full
# path, which is written again where the folder was moved.
exec 9>"$tree.lock"
flock 9
if [ "$(cat "$tree/.made-for" 2>/dev/null)" != "$tree" ]; then
  libraries=$tree/usr/lib/$(uname -m)-linux-gnu
  loader=$(echo "$libraries"/ld-linux-*.so.*)
  [ -x "$loader" ] || { echo "chromium.sh: no C library in $tree; remove the folder and try again" >&2; exit 1; }
  for program in chromium chrome_crashpad_handler; do
    "$here/run-in-tree.sh" "$tree" usr/bin/patchelf --set-interpreter "$loader" "$tree/usr/lib/chromium/$program"
  done
  cat >"$tree/fonts.conf" <<FONTS
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>$tree/usr/share/fonts</dir>
  <cachedir>$tree/var/cache/fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>Liberation Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
FONTS
  cat >"$tree/chromium" <<PROGRAM
#!/bin/sh
export FONTCONFIG_FILE='$tree/fonts.conf' LD_LIBRARY_PATH='$libraries:$libraries/pulseaudio'
exec '$tree/usr/lib/chromium/chromium' "\$@"
PROGRAM
  chmod 755 "$tree/chromium"
  echo "$tree" >"$tree/.made-for"
fi
echo "$tree/chromium"
