#!/bin/sh
# All checks of the C++ part, bounded to a few minutes:
#   scripts/check-native.sh                the tests; with ASan and UBSan; with TSan; fuzzing; the models
#   scripts/check-native.sh --tidy         clang-tidy and clang-format only
#   scripts/check-native.sh --sanitized    without the plain tests, which npm test has run already
#   --fuzz-seconds N (30)   --scale PERCENT (100; 10000 is the long form: 100 million messages, 20,000 kills)
# Ends with "N passed, N failed", counted in test programs, fuzz runs and searches of the models.
set -eu
cd "$(dirname "$0")/.."

tidy=no
plain=yes
fuzz_seconds=30
scale=100
while [ $# -gt 0 ]; do
  case $1 in
    --tidy) tidy=yes ;;
    --sanitized) plain=no ;;
    --fuzz-seconds) fuzz_seconds=$2; shift ;;
    --scale) scale=$2; shift ;;
    *) echo "unknown option: $1" >&2; exit 2 ;;
  esac
  shift
done

passed=0
failed=0
finish() {
  echo "$passed passed, $failed failed"
  [ $failed -eq 0 ] && [ $passed -gt 0 ]
  exit
}

# tests NAME PERCENT [cmake options]: configures, builds and runs the test programs.
tests() {
  name=$1
  percent=$2
  shift 2
  build=build-native/$name
  echo "== tests: $name"
  cmake -S . -B "$build" -DSLUICE_TESTS=ON "$@" >"build-native/$name.log" 2>&1 &&
    cmake --build "$build" -j 2 >>"build-native/$name.log" 2>&1 || {
    cat "build-native/$name.log"
    failed=$((failed + 1))
    return
  }
  # A test that the long form keeps busy may take longer than its usual limit.
  limit=$((300 * (percent > 100 ? percent / 100 : 1)))
  SLUICE_TEST_SCALE=$percent ctest --test-dir "$build" --output-on-failure --timeout $limit \
    >"build-native/$name.log" 2>&1 || true
  grep -E '\*\*\*|FAILED|not so|expected|SUMMARY|WARNING: Thread' "build-native/$name.log" || true
  good=$(grep -cE '^ *[0-9]+/[0-9]+ Test .* Passed ' "build-native/$name.log" || true)
  bad=$(grep -cE '^ *[0-9]+/[0-9]+ Test .*\*\*\*' "build-native/$name.log" || true)
  grep -q 'tests passed' "build-native/$name.log" || bad=$((bad + 1))
  echo "   $good passed, $bad failed"
  passed=$((passed + good))
  failed=$((failed + bad))
}

# check NAME COMMAND...: one thing that passes or fails.
check() {
  name=$1
  shift
  echo "== $name"
  if "$@" >"build-native/check.log" 2>&1; then
    grep -E '^ok|number_of_executed' build-native/check.log || true
    passed=$((passed + 1))
  else
    tail -n 60 build-native/check.log
    failed=$((failed + 1))
  fi
}

mkdir -p build-native
if [ $tidy = yes ]; then
  cmake -S . -B build-native/tidy -DSLUICE_TESTS=ON -DCMAKE_CXX_COMPILER=clang++-14 \
    -DCMAKE_C_COMPILER=clang-14 >/dev/null
  check clang-format sh -c 'clang-format-14 --dry-run --Werror native/include/sluice/*.hpp native/include/sluice/detail/*.hpp \
    test/native/*.cc test/native/*.hpp test/interop/*.cc test/fuzz/*.cc'
  # The headers are checked with the tests that include them. Two at a time, for it is slow.
  check clang-tidy sh -c 'ls test/native/*.cc test/interop/*.cc |
    xargs -P 2 -n 1 clang-tidy-14 --quiet -p build-native/tidy'
  finish
fi

[ $plain = no ] || tests plain "$scale"
# A sanitizer makes everything several times slower, so its tests are shorter.
tests asan $((scale / 5)) -DSLUICE_SANITIZE=address,undefined -DCMAKE_BUILD_TYPE=RelWithDebInfo
tests tsan $((scale / 10)) -DSLUICE_SANITIZE=thread -DCMAKE_BUILD_TYPE=RelWithDebInfo
check "fuzzing for $fuzz_seconds s" scripts/fuzz-native.sh "$fuzz_seconds"
echo '== models'
scripts/check-model.sh >build-native/model.log 2>&1 || true
cat build-native/model.log
good=$(sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p' build-native/model.log)
bad=$(sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p' build-native/model.log)
passed=$((passed + ${good:-0}))
failed=$((failed + ${bad:-1}))
finish
