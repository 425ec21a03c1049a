#!/bin/sh
# Searches the model of sleep and wake exhaustively. The protocol must pass; each variant that lacks
# something it needs must fail, or the model proves nothing.
set -eu
cd "$(dirname "$0")/.."
model=$PWD/test/model/sleep_wake.pml
command -v spin >/dev/null || {
  echo "no spin here, which searches the model: install it (Debian: apt-get install spin)" >&2
  exit 1
}
build=build-native/model
mkdir -p $build
cd $build
failed=0

# search NAME [-DVARIANT]: leaves the report in NAME/report.log. -E: a sleeper at the end of all is no
# error in itself; the observer in the model judges that.
search() {
  name=$1
  shift
  rm -rf "$name"
  mkdir "$name"
  (cd "$name" && spin -a "$@" "$model" >/dev/null &&
    ${CC:-cc} -O2 -DSAFETY -DNOREDUCE -o pan pan.c -w && ./pan -E -m2000000 >report.log 2>&1) || true
}

# The whole space, with every end state looked at: nothing truncated, nothing approximated.
search protocol
report=protocol/report.log
if grep -q 'errors: 0' $report &&
  ! grep -qE 'max search depth|out of memory' $report &&
  grep -q 'Full statespace search' $report && ! grep -q 'Search not completed' $report; then
  echo "ok      protocol: $(grep 'states, stored' $report | sed 's/^ *//'), no error"
else
  echo "FAILED  protocol"
  cat $report
  failed=1
fi

for variant in NO_FENCE NO_SLEEPER_FENCE NO_WAKER_FENCE LATE_TICKET; do
  search $variant -D$variant
  if grep -q 'pan:1: assertion violated .*asleep' $variant/report.log; then
    echo "ok      $variant loses a wake-up, as it must"
  else
    echo "FAILED  $variant loses no wake-up, so the model does not see what it is for"
    cat $variant/report.log
    failed=1
  fi
done
exit $failed
