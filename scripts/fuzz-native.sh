#!/bin/sh
# Fuzzes the ring's header for a number of seconds: scripts/fuzz-native.sh [seconds]
# What it learns is kept in build-native/fuzz/corpus and used again by the next run.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
build=build-native/fuzz

cmake -S . -B $build -DSLUICE_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++-14 \
  -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build $build -j 2 --target ring_fuzz >/dev/null
mkdir -p $build/corpus
# -timeout is for a single input, which takes microseconds.
$build/test/fuzz/ring_fuzz -max_total_time="$seconds" -timeout=20 -max_len=4096 \
  -print_final_stats=1 -artifact_prefix=$build/ -verbosity=0 $build/corpus test/fuzz/corpus
