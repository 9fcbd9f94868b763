#!/bin/sh
# Asterisk for the tests, where the system has no package of it: Debian 11's, in a folder of its own, run by chroot.
# Takes a minute and 450 MB, once for a machine; needs root on Debian or Ubuntu. ASTERISK_ROOT names another folder.
set -eu
PATH=$PATH:/usr/sbin

root=${ASTERISK_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/voice-agent-gateway/asterisk}
command -v asterisk >/dev/null && exit 0
[ -x "$root/usr/sbin/asterisk" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "no Asterisk: the tests with it are skipped (as root on Debian: deploy/test-asterisk.sh)" >&2
    exit 0
fi
command -v debootstrap >/dev/null || {
    apt-get update -qq >/dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null || {
        echo "no debootstrap: the tests with Asterisk are skipped" >&2
        exit 0
    }
}
echo "installing Asterisk for the tests into $root"
mkdir -p "$(dirname "$root")"
rm -rf "$root.part"
if debootstrap --variant=minbase --include=asterisk,asterisk-modules bullseye "$root.part" >"$root.log" 2>&1; then
    rm -rf "$root.part/var/cache/apt" "$root.part/usr/share/doc" "$root.log"
    mv "$root.part" "$root"
else
    echo "Asterisk could not be installed: see $root.log; the tests with it are skipped" >&2
fi
