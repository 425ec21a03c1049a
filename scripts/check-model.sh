#!/bin/sh
# Searches the models of the ring and of the multiplexer exhaustively. The protocol must pass in each of
# its forms; each variant that lacks something it needs must fail, or the model proves nothing.
#   scripts/check-model.sh           two minutes or three
#   scripts/check-model.sh --long    larger rings and deeper store buffers, too: ten minutes, 2 GB
# Ends with "N passed, M failed", counted in searches.
set -eu
cd "$(dirname "$0")/.."
compiler=${CC:-cc}
for tool in spin "${compiler%% *}"; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing, so no model can be searched. Install it: apt-get install spin gcc" \
      "(Debian, Ubuntu), brew install spin (macOS), or from https://spinroot.com." >&2
    exit 1
  }
done
models=$PWD/test/model
build=build-native/model
mkdir -p $build
cd $build
passed=0
failed=0

# search OPTIMISATION MODEL [-DNAME...]: leaves its report in report.log.
search() {
  optimisation=$1
  model=$2
  shift 2
  rm -rf search
  mkdir search
  (cd search && spin -a "$@" "$models/$model.pml" >/dev/null &&
    $compiler "$optimisation" -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c -w &&
    ./pan -m5000000) >report.log 2>&1 || true
}

verdict() {
  if [ "$1" = yes ]; then
    echo "ok      $2"
    passed=$((passed + 1))
  else
    echo "FAILED  $2"
    cat report.log
    failed=$((failed + 1))
  fi
}

# A search that stops at a limit of depth or memory has not seen everything.
passes() {
  search -O2 "$@"
  good=no
  grep -q 'errors: 0' report.log && grep -q 'Full statespace search' report.log &&
    ! grep -qE 'max search depth|MEMLIM|out of memory|Search not completed' report.log && good=yes
  verdict $good "$* passes: $(grep 'states, stored' report.log | sed 's/^ *//')"
}

# A variant fails so soon that optimising would take longer.
fails() {
  search -O0 "$@"
  good=no
  grep -qE '^pan:1: (assertion violated|invalid end state)' report.log && good=yes
  verdict $good "$* fails, as it must"
}

# A small ring with every order of stores, and a larger one.
passes publication -DCAPACITY=4 -DDEPTH=2
passes publication -DCAPACITY=5 -DDEPTH=1
passes publication -DCAPACITY=4 -DDEPTH=2 -DTSO -DNO_RELEASE
for variant in NO_RELEASE NO_ZERO_AHEAD NO_ROOM_FOR_ZERO LONGER PADDING_FIRST CORK_FIRST_FIRST \
  NO_WALK NO_NOTE_AFTER_WALK TAIL_FIRST EARLY_RELEASE; do
  fails publication -DCAPACITY=4 -DDEPTH=2 -D$variant
done

passes sleep_wake
passes sleep_wake -DPRODUCER_FENCED
passes sleep_wake -DCONSUMER_FENCED
passes sleep_wake -DPRODUCER_FENCED -DCONSUMER_FENCED
passes sleep_wake -DBOTH_ASK
for variant in NO_BARRIER NO_SECOND_LOOK LATE_TICKET LOAD_FIRST; do
  fails sleep_wake -D$variant
done
for variant in NO_SLEEPER_FENCE NO_WAKER_FENCE BIT_IGNORED NO_RELOAD BIT_TAKEN; do
  fails sleep_wake -D$variant -DPRODUCER_FENCED
  fails sleep_wake -D$variant -DCONSUMER_FENCED
done
fails sleep_wake -DNO_SECOND_LOOK -DPRODUCER_FENCED -DCONSUMER_FENCED
for variant in NO_SLEEPER_FENCE NO_SECOND_LOOK BIT_IGNORED NO_RELOAD BIT_TAKEN; do
  fails sleep_wake -D$variant -DBOTH_ASK
done
fails sleep_wake -DLATE_CLAIM -DCONSUMER_FENCED

# Three streams that share a pool, a stream both ways, and guarantees of which a part is not reported.
passes mux_credit
passes mux_credit -DTWO_WAY
passes mux_credit -DSTREAMS=2 -DGUARANTEE=2 -DPOOL=4
for variant in NO_CREDIT_ON_RESET NO_CREDIT_AFTER_STOP CLEARED_ON_STOP CLEARED_ON_RESET \
  REUSED_BEFORE_DONE STOP_BEHIND_FIN CREDIT_BY_WINDOWS CREDIT_ON_ARRIVAL CREDIT_BEHIND_DONE; do
  fails mux_credit -D$variant
done
for variant in NO_CREDIT_ON_RESET REUSED_BY_HALVES RESET_BEHIND_FIN; do
  fails mux_credit -DTWO_WAY -D$variant
done
fails mux_credit -DSTREAMS=2 -DNO_GUARANTEE

if [ "${1:-}" = --long ]; then
  passes mux_credit -DTWO_WAY -DGUARANTEE=2 -DPOOL=4
  passes publication -DCAPACITY=4 -DDEPTH=3
  passes publication -DCAPACITY=5 -DDEPTH=2
  passes publication -DCAPACITY=6 -DDEPTH=1
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
