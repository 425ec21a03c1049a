#!/bin/sh
# Formats the C++ sources; with --check it only says what differs. Versions of clang-format differ in
# what they do, so it is 14, unless CLANG_FORMAT names another one.
set -eu
cd "$(dirname "$0")/.."
formatter=${CLANG_FORMAT:-clang-format-14}
mode=-i
if [ "${1-}" = --check ]; then mode='--dry-run -Werror'; fi
if ! command -v "$formatter" >/dev/null; then
  echo "no $formatter here: install it (Debian: apt-get install clang-format-14) or set CLANG_FORMAT" >&2
  exit 1
fi
git ls-files -z '*.cc' '*.hpp' | xargs -0 "$formatter" $mode
