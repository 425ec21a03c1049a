#!/bin/bash
# Builds the addon for Windows with mingw-w64, into build-windows; with --tests the C++ tests as well,
# into build-native/windows. Says nothing unless it fails or there are warnings.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p .cache/windows
log=.cache/windows/build.log

quietly() {
  "$@" > "$log" 2>&1 || { cat "$log"; exit 1; }
  if grep -q 'warning:' "$log"; then
    cat "$log"
    echo 'the build for Windows has warnings' >&2
    exit 1
  fi
}

cmake_js=(-O build-windows -G Ninja --CDCMAKE_TOOLCHAIN_FILE=cmake/mingw-w64.cmake)
# Configured each time, because the list of sources is made then.
quietly npx cmake-js configure "${cmake_js[@]}"
quietly npx cmake-js build "${cmake_js[@]}"
if [ "${1:-}" = --tests ]; then
  quietly cmake -S . -B build-native/windows -G Ninja -DSLUICE_TESTS=ON \
    -DCMAKE_TOOLCHAIN_FILE=cmake/mingw-w64.cmake
  quietly cmake --build build-native/windows -j 2
fi
