#!/usr/bin/env bash
# Every test marked gpu and every benchmark of kernels, on the CUDA device at hand.
# Run: bash benchmarks/on_gpu.sh [FOLDER]     results go to benchmarks/results, and a copy of them with the logs to FOLDER
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out="${1:-benchmarks/results}"
mkdir -p "$out"
python -m snnpd doctor 2>&1 | tee "$out/gpu_doctor.log"
python -m pytest -m gpu 2>&1 | tee "$out/gpu_tests.log"
status=${PIPESTATUS[0]}
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck; do
    compute-sanitizer --tool "$tool" python -m pytest -m gpu tests/neurons/test_cuda.py -k "cupy and every_option" \
      2>&1 | tee "$out/gpu_$tool.log"
  done
fi
# 67 million elements: larger than any cache, so that the share of the copy's bandwidth means something.
python benchmarks/neuron_kernels.py --device cuda --shape 8 64 256 512 --dtypes float32 bfloat16 float16 2>&1 \
  | tee "$out/gpu_neuron_kernels.log"
python benchmarks/neuron_kernels.py --device cuda --dtypes float32 bfloat16 2>&1 | tee -a "$out/gpu_neuron_kernels.log"
[ "$out" = benchmarks/results ] || cp benchmarks/results/neuron_kernels.jsonl "$out/"
exit "$status"
