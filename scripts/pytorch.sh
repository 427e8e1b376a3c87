#!/usr/bin/env bash
# Fetches PyTorch's CPU kernels from PyPI into .runtime/torch, without the CUDA wheels (3 GB) that its own wheel asks for.
#
#   scripts/pytorch.sh           what libtorch needs
#   scripts/pytorch.sh python    and what `import torch` needs, with torchaudio and SpeechBrain in .runtime/pytorch
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=2.9.0
SPEECHBRAIN_VERSION=1.1.2
CUDA_VERSION=12.8.90 # libtorch_cpu.so of the PyPI wheel links these two small CUDA libraries, GPU or not.
torch=.runtime/torch
packages=.runtime/pytorch

pip() { python3 -m pip -q "$@"; }

if [ ! -e "$torch/torch/lib/libtorch_cpu.so" ]; then
  echo "pytorch: fetching PyTorch $VERSION (900 MB) into $torch"
  mkdir -p "$torch"
  pip download --no-deps --only-binary=:all: -d "$torch" "torch==$VERSION" \
    "nvidia-cuda-runtime-cu12==$CUDA_VERSION" "nvidia-cuda-cupti-cu12==$CUDA_VERSION"
  for wheel in "$torch"/*.whl; do python3 -m zipfile -e "$wheel" "$torch"; done
  rm -f "$torch"/*.whl
fi
[ "${1:-}" = python ] || exit 0

# The extension module links the GPU's libraries too, from which nothing is called without a GPU: empty ones stand for
# them. Their functions are then looked up when called, not before, which the interpreter must be told.
for library in libcublas.so.12 libcublasLt.so.12 libcudnn.so.9 libcufft.so.11 libcufile.so.0 libcurand.so.10 \
  libcusolver.so.11 libcusparse.so.12 libcusparseLt.so.0 libnccl.so.2 libnvshmem_host.so.3; do
  path=$torch/torch/lib/$library
  [ -e "$path" ] || cc -shared -fPIC -x c /dev/null -o "$path" "-Wl,-soname,$library"
done
if [ ! -d "$packages/speechbrain" ]; then
  echo "pytorch: fetching torchaudio $VERSION and SpeechBrain $SPEECHBRAIN_VERSION into $packages"
  # What both, and PyTorch, ask for besides each other; then themselves.
  pip install --target "$packages" filelock fsspec huggingface_hub hyperpyyaml jinja2 joblib networkx numpy packaging \
    requests scipy sentencepiece soundfile sympy tqdm typing_extensions
  pip install --target "$packages" --no-deps "torchaudio==$VERSION" "speechbrain==$SPEECHBRAIN_VERSION"
fi
printf 'import os\nimport sys\n\nsys.setdlopenflags(os.RTLD_LAZY | os.RTLD_GLOBAL)\n' >"$packages/sitecustomize.py"
PYTHONPATH=$packages:$torch python3 -W ignore -c 'import speechbrain, torch, torchaudio; torch.ones(2).sum().item()'
