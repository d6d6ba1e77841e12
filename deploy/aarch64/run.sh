#!/bin/sh
# Run the device's install for aarch64 (wheels only, nothing is compiled) on emulated Cortex-A53, A72 and A76 cores, and
# compare what it perceives with this machine. usage: sh deploy/aarch64/run.sh [DIR of the results]   (needs root)
#
# Proves that no wheel and no model needs an instruction that such a core lacks, and that the results are the same.
# Says nothing of speed or memory. About 2 minutes per core, 600 MB of disk; `MIEN_AARCH64` is where they lie.
set -eu
here=$(cd "$(dirname "$0")/../.." && pwd)
out=${1:-out/bench}
work=${MIEN_AARCH64:-${XDG_CACHE_HOME:-$HOME/.cache}/mien/aarch64}
python=${PYTHON:-$here/.venv/bin/python}
models=${MIEN_MODELS:-${XDG_CACHE_HOME:-$HOME/.cache}/mien/models}
cores=${CORES:-"cortex-a53 cortex-a72 cortex-a76"}
say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

for tool in qemu-aarch64-static mmdebstrap unshare chroot; do
    command -v "$tool" >/dev/null || { echo "run.sh: no $tool: apt-get install qemu-user-static mmdebstrap" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "run.sh: needs root, for a chroot: sudo sh deploy/aarch64/run.sh" >&2; exit 2; }
mkdir -p "$work"

# 1. A Debian for arm64, unpacked but never started: no emulation, and no binfmt, is needed for that.
root=$work/root
if [ ! -e "$work/root.done" ]; then
    say "Unpacking Debian for arm64"
    rm -rf "$root"
    mmdebstrap --quiet --variant=extract --architectures=arm64 \
        --include=python3.11-minimal,libpython3.11-stdlib,libstdc++6,libportaudio2 bookworm "$root"
    touch "$work/root.done"
fi

# 2. What `pip install mien[edge]` gives on such a board, at the locked versions.
constraints=$here/deploy/constraints/py311-aarch64.txt
want=$(cat "$constraints" "$here/pyproject.toml" | cksum)
if [ "$(cat "$work/site.done" 2>/dev/null || true)" != "$want" ]; then
    say "Installing the device's wheels for aarch64"
    "$python" - "$here/pyproject.toml" >"$work/requirements.txt" <<'END'
import sys, tomllib
project = tomllib.load(open(sys.argv[1], "rb"))["project"]
print("\n".join(project["dependencies"] + project["optional-dependencies"]["edge"]))
END
    rm -rf "$work/site"
    "$python" -m pip install --disable-pip-version-check --quiet --target "$work/site" --only-binary=:all: \
        --implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none --platform any \
        --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
        --platform manylinux2014_aarch64 -c "$constraints" -r "$work/requirements.txt"
    echo "$want" >"$work/site.done"
fi

# 3. The program as it is now: all of them must run the same, whatever is edited meanwhile.
rm -rf "$work/code"
mkdir -p "$work/code"
(cd "$here" && tar -c --exclude=__pycache__ edge models benchmarks) | tar -x -C "$work/code"

# 4. The inputs: a drawn face, and a person where the labelled data is, decoded here: decoders differ by a grey level.
found=$work/found
rm -rf "$found" "$work/clips"
mkdir -p "$found" "$work/clips"
inputs="drawn=synthetic://?script=neutral-talk:0.5,smile-talk:0.5"
if [ -n "${MIEN_DATA:-}" ]; then
    (cd "$work/code" && "$python" -m benchmarks.boards_raw "$MIEN_DATA/clips/sbwe5n.mpg" "$work/clips/person.nut")
    inputs="$inputs person=/clips/person.nut"
fi

# 5. One core. Its mounts live and die with the namespace. /sys is not mounted: there, and in /proc/cpuinfo, the engines
# look for what the core can do, and would find this machine; they are given what such a core tells.
describe() {
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
    case $1 in
        cortex-a53) part=0xd03 ;;
        cortex-a72) part=0xd08 ;;
        cortex-a76) part=0xd0b features="$features atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp" ;;
        *) echo "run.sh: knows cortex-a53, cortex-a72 and cortex-a76, not $1" >&2; exit 2 ;;
    esac
    printf 'processor\t: 0\nBogoMIPS\t: 100.00\nFeatures\t: %s\nCPU implementer\t: 0x41\n' "$features"
    printf 'CPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: %s\nCPU revision\t: 4\n\n' "$part"
}
mkdir -p "$root/proc" "$root/dev" "$root/mien" "$root/site" "$root/models" "$root/clips" "$root/sys/devices/system/cpu"
for list in possible present; do echo 0 >"$root/sys/devices/system/cpu/$list"; done
cp "$(command -v qemu-aarch64-static)" "$root/qemu"
emulated() { # CORE ARGUMENTS OF PYTHON…
    core=$1
    shift
    describe "$core" >"$work/cpuinfo"
    # shellcheck disable=SC2016
    unshare --mount --propagation private sh -eu -c '
        root=$1 code=$2 models=$3 work=$4 core=$5
        shift 5
        mount --bind "$code" "$root/mien" && mount -o remount,bind,ro "$root/mien"
        mount --bind "$models" "$root/models" && mount -o remount,bind,ro "$root/models"
        mount --bind "$work/site" "$root/site"
        mount --bind "$work/clips" "$root/clips"
        mount --bind /dev "$root/dev"
        mount -t proc proc "$root/proc"
        mount --bind "$work/cpuinfo" "$root/proc/cpuinfo"
        exec env -i PATH=/usr/bin HOME=/tmp PYTHONPATH=/site:/mien PYTHONDONTWRITEBYTECODE=1 MIEN_MODELS=/models \
            QEMU_CPU="$core" OMP_NUM_THREADS=1 /usr/sbin/chroot "$root" /qemu /usr/bin/python3.11 "$@"
    ' sh "$root" "$work/code" "$models" "$work" "$core" "$@"
}

# What hearing and sight do not load: the link, the device's key. (`sounddevice` looks for PortAudio with tools that a
# Debian which was only unpacked does not have.)
rest='import google.protobuf, grpc, paho.mqtt.client, vaderSentiment.vaderSentiment, edge.loop
import edge.transports.grpc, edge.transports.mqtt
from cryptography.hazmat.primitives.asymmetric import ec
ec.generate_private_key(ec.SECP256R1())'
for core in $cores; do
    emulated "$core" -c "$rest" || { echo "run.sh: $core cannot load the rest of the device" >&2; exit 1; }
done

for input in $inputs; do
    name=${input%%=*} source=${input#*=}
    say "$name: this machine"
    (cd "$work/code" && "$python" -m benchmarks.boards_observe "$(echo "$source" | sed "s#^/clips#$work/clips#")" \
        --seconds 1.5) >"$found/$name.reference.jsonl"
    for core in $cores; do
        say "$name: $core"
        emulated "$core" -m benchmarks.boards_observe "$source" --seconds 1.5 >"$found/$name.$core.jsonl" || {
            echo "run.sh: $core ended with $?" >&2
            exit 1
        }
    done
done
cd "$here" && "$python" -m benchmarks.boards_compare "$found" --out "$out"
