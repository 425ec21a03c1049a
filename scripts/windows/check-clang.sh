#!/bin/bash
# The sources for Windows, and the C++ tests, have no warnings with clang either: what only gcc
# understands does not slip in. With the newest clang that is there, over mingw-w64's headers.
# Ends with "N passed, N failed", counted in files.
set -euo pipefail
cd "$(dirname "$0")/../.."

for clang in clang++-19 clang++-14 ''; do
  command -v "$clang" > /dev/null && break
done
[ -n "$clang" ] || { echo 'there is neither clang-19 nor clang-14' >&2; exit 1; }
"$clang" --version | head -n 1

# Debian calls the folder of gcc's headers 12-posix, which clang does not look for.
headers=$(x86_64-w64-mingw32-g++-posix -print-file-name=include)
options=(
  --target=x86_64-w64-mingw32 -std=c++20 -fsyntax-only -Werror
  -Wall -Wextra -Wconversion -Wshadow
  -isystem "$headers/c++" -isystem "$headers/c++/x86_64-w64-mingw32"
  -isystem node_modules/node-addon-api -isystem node_modules/node-api-headers/include
  -I native/include -I native/src -I test/native
  # As in CMakeLists.txt.
  "-DSLUICE_VERSION=\"$(node scripts/version.mjs)\""
  -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED -DNODE_ADDON_API_CPP_EXCEPTIONS
  -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
)
mapfile -t files < <(
  node scripts/sources.mjs win32
  # Those that are built on every system.
  for name in $(sed -n 's/^set(SLUICE_NATIVE_TESTS \(.*\))$/\1/p' test/native/CMakeLists.txt); do
    echo "test/native/${name}_test.cc"
  done
  echo examples/cpp-consumer/consume.cpp
  echo test/native/diagnostics/diagnostics_win.cc
)
failed=0
for file in "${files[@]}"; do
  "$clang" "${options[@]}" "$file" || failed=$((failed + 1))
done
echo "$((${#files[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
