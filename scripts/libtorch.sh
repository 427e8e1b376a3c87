#!/usr/bin/env bash
# Makes .runtime/libtorch, for `--features tch` of the trainer, of PyTorch's files that pytorch.sh fetches.
# Prints the two variables that a build and a run need.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/.runtime/libtorch
if [ ! -e "$home/lib/libtorch_cpu.so" ]; then
  scripts/pytorch.sh >&2
  wheels=$PWD/.runtime/torch
  mkdir -p "$home/lib"
  ln -sfn "$wheels/torch/include" "$home/include"
  for library in libc10.so libtorch_cpu.so libgomp.so.1; do
    ln -sf "$wheels/torch/lib/$library" "$home/lib/$library"
  done
  ln -sf "$wheels/torch/lib/libtorch_cpu.so" "$home/lib/libtorch.so"
  ln -sf "$wheels/nvidia/cuda_cupti/lib/libcupti.so.12" "$home/lib/"
  ln -sf "$wheels/nvidia/cuda_runtime/lib/libcudart.so.12" "$home/lib/"
fi
echo "export LIBTORCH=$home LD_LIBRARY_PATH=$home/lib"
