#!/usr/bin/env bash
# All tests. As root, the Debian packages that they need are installed first, without starting any service.
set -euo pipefail
bin=$1/bin
packages=(chromium curl libatomic1)  # the last is for playwright's driver

present() {
    if command -v dpkg-query >/dev/null; then dpkg-query -W "${packages[@]}" >/dev/null 2>&1
    else command -v chromium >/dev/null && command -v curl >/dev/null; fi
}
if ! present; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "test: installing Debian packages: ${packages[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    else
        echo "test: a Debian package is missing; as root: apt-get install ${packages[*]}" >&2
        exit 1
    fi
fi

data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
export CHAINFAAS_DATA=$data COVERAGE_FILE=$data/coverage
"$bin/coverage" run -m pytest "${@:2}"
"$bin/coverage" combine --quiet
# Where the money is decided, untested branches are not acceptable.
"$bin/coverage" report --include='chaincode/*,chainfaas/jobs/*' --skip-covered --fail-under=95
