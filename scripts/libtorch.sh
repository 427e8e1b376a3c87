#!/usr/bin/env bash
# Fetches libtorch's CPU kernels from PyPI into .runtime/libtorch, for `--features tch` of the trainer.
# Prints the two variables that a build and a run need.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=2.9.0
CUDA_VERSION=12.8.90 # libtorch_cpu.so of the PyPI wheel links these two small CUDA libraries, GPU or not.
home=$PWD/.runtime/libtorch
if [ ! -e "$home/lib/libtorch_cpu.so" ]; then
  wheels=.runtime/torch
  mkdir -p "$wheels" "$home/lib"
  python3 -m pip download -q --no-deps --only-binary=:all: -d "$wheels" "torch==$VERSION" \
    "nvidia-cuda-runtime-cu12==$CUDA_VERSION" "nvidia-cuda-cupti-cu12==$CUDA_VERSION"
  for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$wheels"; done
  rm -f "$wheels"/*.whl
  ln -sfn "$PWD/$wheels/torch/include" "$home/include"
  for library in libc10.so libtorch_cpu.so libgomp.so.1; do
    ln -sf "$PWD/$wheels/torch/lib/$library" "$home/lib/$library"
  done
  ln -sf "$PWD/$wheels/torch/lib/libtorch_cpu.so" "$home/lib/libtorch.so"
  ln -sf "$PWD/$wheels/nvidia/cuda_cupti/lib/libcupti.so.12" "$home/lib/"
  ln -sf "$PWD/$wheels/nvidia/cuda_runtime/lib/libcudart.so.12" "$home/lib/"
fi
echo "export LIBTORCH=$home LD_LIBRARY_PATH=$home/lib"
