#!/usr/bin/env bash
# Installs what a build and a run need and the machine lacks: system packages (named before they are installed) and
# the ONNX Runtime library, which goes into .runtime inside the project. Quick when nothing is missing.
#
#   scripts/setup.sh          what `make demo` needs
#   scripts/setup.sh test     and what the tests need
#   scripts/setup.sh bench    and the peers that benchmarks are set beside
#   scripts/setup.sh bench-train    and PyTorch with SpeechBrain, which training is set beside
set -euo pipefail
cd "$(dirname "$0")/.."

ORT_VERSION=1.31.1
SILERO_VERSION=6.2.3
ORT_LIBRARY=.runtime/onnxruntime/capi/libonnxruntime.so.$ORT_VERSION

missing=()
need() { # need PACKAGE COMMAND...: the package is missing when the command fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
any() { # any PATH...: one of them exists
  local path
  for path in "$@"; do [ -e "$path" ] && return; done
  return 1
}
# bindgen loads libclang.so or libclang-N.so, and reads clang's own headers; libclang-cpp.so, which other packages bring,
# is not it.
has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return
  any /usr/lib{,64}{,/*,/llvm-*/lib}/libclang{,-[0-9]*}.so* && any /usr/lib{,64}{,/llvm-*/lib}/clang/*/include/stddef.h
}

need build-essential c++ --version
need cmake cmake --version
need pkg-config pkg-config --version
need libclang-dev has_libclang
need libasound2-dev pkg-config --exists alsa
[ -f "$ORT_LIBRARY" ] || need python3-pip python3 -m pip --version
case "${1:-}" in bench*) need python3-pip python3 -m pip --version ;; esac
if [ "${1:-}" = test ]; then
  need pulseaudio pulseaudio --version
  need pulseaudio-utils pacat --version
  need flite flite --version
  [ -d .runtime/silero_vad/data ] || need python3-pip python3 -m pip --version
fi

if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup: no apt-get here; should the build fail, install what corresponds to Debian's ${missing[*]}" >&2
  else
    root=()
    if [ "$(id -u)" -ne 0 ]; then
      root=(sudo)
      if ! command -v sudo >/dev/null; then
        echo "setup: neither root nor sudo: have these packages installed, then run again: ${missing[*]}" >&2
        exit 1
      fi
    fi
    echo "setup: installing system packages: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
fi

if ! command -v cargo >/dev/null; then
  echo "setup: cargo not found; install Rust 1.95 or later (https://rustup.rs)" >&2
  exit 1
fi

if [ ! -f "$ORT_LIBRARY" ]; then
  echo "setup: fetching ONNX Runtime $ORT_VERSION into .runtime"
  mkdir -p .runtime/wheels
  if python3 -m pip download -q --no-deps --only-binary=:all: -d .runtime/wheels "onnxruntime==$ORT_VERSION"; then
    python3 -m zipfile -e .runtime/wheels/onnxruntime-"$ORT_VERSION"-*.whl .runtime
    rm -rf .runtime/wheels
  else
    echo "setup: ONNX Runtime could not be fetched; models will run on tract, the slower pure-Rust engine" >&2
  fi
fi

# The detector's published files, for the test that holds ours to its contract.
if [ "${1:-}" = test ] && [ ! -d .runtime/silero_vad/data ]; then
  echo "setup: fetching Silero VAD $SILERO_VERSION into .runtime"
  mkdir -p .runtime/wheels
  if python3 -m pip download -q --no-deps --only-binary=:all: -d .runtime/wheels "silero-vad==$SILERO_VERSION"; then
    python3 -m zipfile -e .runtime/wheels/silero_vad-"$SILERO_VERSION"-*.whl .runtime
  else
    echo "setup: Silero VAD could not be fetched; its test skips itself" >&2
  fi
  rm -rf .runtime/wheels
fi

if [ "${1:-}" = bench ] && [ ! -d .runtime/peers/kaldi_native_fbank ]; then
  echo "setup: fetching numpy, kaldi-native-fbank and jiwer into .runtime/peers"
  python3 -m pip install -q --target .runtime/peers numpy kaldi-native-fbank jiwer
fi

if [ "${1:-}" = bench-train ]; then scripts/pytorch.sh python; fi
