# shellcheck shell=bash disable=SC2034
# Common shell functions; source it from a script after `set -euo pipefail`.
#
# ISTHMUS_BUILD     build folder, default build (relative to the repository)
# ISTHMUS_NO_BUILD  when set, neither packages nor the build are touched

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${ISTHMUS_BUILD:-build}
[[ $BUILD == /* ]] || BUILD=$ROOT/$BUILD
# Debian's own; a python3 that comes first on PATH may lack the packages of scripts/setup.
PYTHON=/usr/bin/python3

say() { printf '%s\n' "$*"; }
note() { printf '%s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    ((EUID == 0)) || die "must run as root ($1)"
}

# configure_build DIR [meson options]: once; later calls keep the folder as it is.
configure_build() {
    local dir=$1
    shift
    if [[ ! -f $dir/build.ninja ]]; then
        rm -rf "$dir/meson-private" "$dir/meson-info"
        meson setup "$dir" "$ROOT" "$@"
    fi
}

# compile DIR [targets]: quiet when it works.
compile() {
    ninja -C "$1" --quiet "${@:2}"
}

# The release build that users run.
build_release() {
    [[ -z ${ISTHMUS_NO_BUILD:-} ]] || return 0
    "$ROOT/scripts/setup"
    configure_build "$BUILD" --buildtype=release
    compile "$BUILD"
}

# wait_until SECONDS COMMAND...: true as soon as COMMAND succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
