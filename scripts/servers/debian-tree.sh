#!/usr/bin/env bash
# Unpacks Debian packages, with all that they need, into a folder of their own. Nothing is installed on the system and
# no root is needed; any Debian or Ubuntu will do. When the folder is there already, nothing is done: it appears under
# its name only when complete, and of several that come at once one works and the others wait.
#   debian-tree.sh DIR PACKAGE…
# Its programs are run by run-in-tree.sh. Packages come from Debian's suite DEBIAN_SUITE, else trixie, and from
# DEBIAN_MIRROR if set, else from the mirror that apt on this machine uses, else from deb.debian.org; their signatures
# are checked.
set -euo pipefail
suite=${DEBIAN_SUITE:-trixie}

fail() { echo "debian-tree.sh: $*" >&2; exit 1; }

for program in apt-get dpkg-deb flock; do
  command -v "$program" >/dev/null || fail "there is no $program here; servers for tests are made from Debian packages, so run the tests on Debian or Ubuntu"
done
dir=$(realpath -m "$1"); shift
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9

wanted="$suite $*"
[ "$(cat "$dir/.complete" 2>/dev/null)" != "$wanted" ] || exit 0
work=$dir.unfinished; apt=$work/.apt
rm -rf "$dir" "$work"
mkdir -p "$apt"/{lists/partial,archives/partial}

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ ! -e "$keyring" ]; then # Ubuntu: its own signed package brings Debian's keys
  (cd "$apt" && apt-get download -qq debian-archive-keyring && dpkg-deb -x debian-archive-keyring_*.deb keyring) 1>&2 ||
    fail "Debian's keys are missing: install the package debian-archive-keyring"
  keyring=$apt/keyring$keyring
fi
mirror=${DEBIAN_MIRROR:-$(grep -rhoE 'https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null |
  grep -v docker | head -n 1 | tr -d ' ' || true)}
mirror=${mirror:-http://deb.debian.org/debian}
echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"

# An empty system of apt's own: what is installed here has no part in it, and neither have "essential" packages.
options=(-qq -o Dir::State::Lists="$apt/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$apt"
  -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=3
  -o pkgCacheGen::Essential=none -o pkgCacheGen::ForceEssential=, -o Debug::NoLocking=true)
{
  apt-get "${options[@]}" update -o APT::Update::Error-Mode=any ||
    fail "package lists cannot be read from $mirror ($suite): check the network, or set DEBIAN_MIRROR"
  apt-get "${options[@]}" install --download-only --yes "$@" ||
    fail "packages cannot be downloaded from $mirror ($suite): $*"
  find "$apt/archives" -name '*.deb' -print0 | xargs -0 -n 1 -P "$(nproc)" sh -c 'exec dpkg-deb -x "$1" "$0"' "$work" ||
    fail "packages cannot be unpacked into $work: check the room on its disk"
} 1>&2
rm -rf "$apt"
echo "$wanted" >"$work/.complete"
mv -T "$work" "$dir"
