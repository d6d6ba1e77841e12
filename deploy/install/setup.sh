#!/bin/sh
# Set up a virtual environment for one purpose. usage: setup.sh VENV demo|dev
# Installs the Debian packages that are missing (needs root or sudo for that) and the locked Python packages.
set -eu
venv=$1 purpose=$2
here=$(cd "$(dirname "$0")/../.." && pwd)

case $purpose in
    demo) packages="python3-venv libportaudio2" ;;
    dev) packages="python3-venv libportaudio2 gcc libc6-dev mosquitto espeak-ng pulseaudio pulseaudio-utils libasound2-plugins openssl user-mode-linux e2fsprogs iproute2 kmod nats-server chromium chromium-driver redis-server" ;;
    *) echo "setup.sh: purpose is demo or dev, not '$purpose'" >&2; exit 2 ;;
esac

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

if command -v dpkg-query >/dev/null; then
    missing=
    for package in $packages; do
        state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
        case $state in *"ok installed") ;; *) missing="$missing $package" ;; esac
    done
    if [ -n "$missing" ]; then
        say "Installing Debian packages:$missing"
        root=
        [ "$(id -u)" = 0 ] || root=sudo
        if [ -n "$root" ] && ! command -v sudo >/dev/null; then
            say "There is no sudo here: have somebody run \`apt-get install$missing\` as root, then try again"
            exit 1
        fi
        export DEBIAN_FRONTEND=noninteractive
        $root apt-get update -qq
        # a broker for the tests must not start as a service of this machine
        # shellcheck disable=SC2086
        $root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $missing >/dev/null
    fi
fi

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup.sh: $python is older than 3.11: set PYTHON=/path/to/a/newer/python3" >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"

version=$("$venv/bin/python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
constraints="$here/deploy/constraints/$version-$(uname -m).txt"
[ -f "$constraints" ] || { say "No locked versions for $version on $(uname -m): taking the newest"; constraints=/dev/null; }

# Again only when what would be installed has changed.
stamp="$venv/.mien-$purpose"
want=$(cat "$here/pyproject.toml" "$constraints" | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ]; then
    say "Installing Python packages ($purpose) into $venv"
    pip="$venv/bin/python -m pip --disable-pip-version-check"
    $pip install -q --upgrade 'pip>=25' # older ones cannot show the progress of a model's download
    bar=on
    [ -t 2 ] || bar=off
    $pip install -q --progress-bar "$bar" --only-binary=:all: -c "$constraints" 'hatchling>=1.27' 'editables>=0.5'
    echo "  (a few minutes: about 250 MB)" >&2
    $pip install --progress-bar "$bar" -q --prefer-binary --no-build-isolation -c "$constraints" -e "$here[$purpose]"
    echo "$want" >"$stamp"
fi
