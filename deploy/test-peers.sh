#!/bin/sh
# The real peers of the end-to-end tests: installed when this is root on Debian or Ubuntu, else named. `long` adds those
# of the tests that take minutes.
set -eu

PATH=$PATH:/usr/sbin
missing=""
command -v sipp >/dev/null || missing="$missing sip-tester"
command -v baresip >/dev/null || missing="$missing baresip-core"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v chromium >/dev/null || missing="$missing chromium"
command -v tcpdump >/dev/null || missing="$missing tcpdump"
if [ "${1:-}" = long ]; then
    command -v ip >/dev/null || missing="$missing iproute2"
    command -v nft >/dev/null || missing="$missing nftables"
fi
# The packages of Kamailio, PostgreSQL and coturn start a server where there is an init to start it: there it is left to its owner.
if [ ! -d /run/systemd/system ]; then
    command -v kamailio >/dev/null || missing="$missing kamailio kamailio-tls-modules"
    if [ "${1:-}" = long ]; then
        command -v turnserver >/dev/null || missing="$missing coturn"
        command -v rtpengine >/dev/null || missing="$missing rtpengine"
        command -v promtool >/dev/null || missing="$missing prometheus"
    fi
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing for the tests:$missing"
    apt-get update -qq >/dev/null || true
    # shellcheck disable=SC2086
    if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null; then exit 0; fi
fi
echo "not installed:$missing - the tests that need them are skipped. To install them:" >&2
echo "  sudo apt-get install$missing" >&2
