/*
 * Flow control of the multiplexer (lib/mux/send_flow.ts, receive_flow.ts): two peers, streams that share a
 * pool, and a FIFO of frames each way. scripts/check-model.sh runs it:
 *
 *   (by default)   three streams from one peer to the other
 *   TWO_WAY        one stream that goes both ways; its slot is free again when both directions are
 *
 * A unit stands for some bytes. A stream has a guarantee, and takes more from the pool; its sender counts what
 * is outstanding, which is sent and not reported as consumed; its receiver counts the same as unread and
 * unreported. The transport is in order and loses nothing, so an absolute offset tells what the amount since
 * the last report tells, and the model sends amounts. Writers, readers and wires move in any order; a writer
 * may end or reset and a reader may give up at any time, or do nothing for ever. Streams come again and again.
 * Data in an OPEN would count as those of a DATA right behind it, so here an OPEN has none.
 *
 * The properties:
 *   - No frame comes in a state that does not allow it, and no sum that the receiver checks is broken: the
 *     receiver would end the connection of an honest peer.
 *   - The units that are held are never more than the guarantees and the pool.
 *   - When nothing is under way and nobody owes a frame, both sides agree on every stream; a stream whose
 *     reader has read everything may send one more unit, whatever the other readers do; and one that was ended
 *     or reset besides is gone.
 *
 * These variants must fail:
 *   NO_CREDIT_ON_RESET     unread units that a RESET discards are not returned
 *   NO_CREDIT_AFTER_STOP   units that come behind a STOP are discarded and not returned
 *   CLEARED_ON_STOP        the sender clears the account of a stream when a STOP comes
 *   CLEARED_ON_RESET       the sender clears it when it sends its RESET
 *   REUSED_BEFORE_DONE     a slot is used again when all credit is back, without waiting for DONE
 *   REUSED_BY_HALVES       (TWO_WAY) a slot is used again when one of two directions is done
 *   RESET_BEHIND_FIN       (TWO_WAY) the sender may still reset after FIN, as in QUIC: the slot may have a
 *                          new stream by then
 *   STOP_BEHIND_FIN        a STOP that was owed when FIN came is sent nevertheless
 *   CREDIT_BY_WINDOWS      credit is given when a window was read, which a stream that gets nothing of the
 *                          pool never fills
 *   NO_GUARANTEE           one window for all streams, so that one reader that is stuck stops all
 *   CREDIT_ON_ARRIVAL      credit is given for what has come instead of for what was read
 *   CREDIT_BEHIND_DONE     the reader frees the slot by DONE and reports its last units behind it
 */

#ifdef TWO_WAY
#define STREAMS 1
#define DIRECTIONS 2
#define WIRE 3 /* frames that are under way from one peer */
#else
#ifndef STREAMS
#define STREAMS 3
#endif
#define DIRECTIONS 1
#define WIRE 2
#endif

#ifndef GUARANTEE
#define GUARANTEE 1
#endif
#ifndef POOL
#define POOL 2
#endif
#define WINDOW (GUARANTEE + POOL / 2)
#define HALVES (STREAMS * DIRECTIONS)

mtype = { OPEN, DATA, FIN, RESET, CREDIT, DONE, STOP };
mtype = { free, open, stopped, ended, reset, answered, finished };

/* Frames from peer 0, and from peer 1: kind, stream, units. */
chan wire[2] = [WIRE] of { mtype, byte, byte };

/* One entry for each stream and direction; what peer 0 sends comes first. */
#define HALF(from, stream) ((from) * STREAMS + (stream))
mtype sending[HALVES] = free;
byte outstanding[HALVES];
mtype receiving[HALVES] = free;
byte unread[HALVES];
byte unreported[HALVES];
bool stop_owed[HALVES];

#define BEYOND(units) ((units) > GUARANTEE -> (units) - GUARANTEE : 0)
#ifdef CREDIT_ON_ARRIVAL
#define COUNTED(half) (unreported[half])
#else
#define COUNTED(half) (unread[half] + unreported[half])
#endif
#if STREAMS == 1
#define SUM(of, from) (of(from))
#elif STREAMS == 2
#define SUM(of, from) (of(HALF(from, 0)) + of(HALF(from, 1)))
#else
#define SUM(of, from) (of(HALF(from, 0)) + of(HALF(from, 1)) + of(HALF(from, 2)))
#endif
#define OUTSTANDING(half) (outstanding[half])
#define UNREAD(half) (unread[half])
#define SENDERS_EXCESS(half) BEYOND(outstanding[half])
#define RECEIVERS_EXCESS(half) BEYOND(COUNTED(half))
#define LIMIT (STREAMS * GUARANTEE + POOL)

/*
 * A unit beyond the guarantee is sent only while the excess of its stream is less than what is free in the
 * pool. The last of several units tells for all of them.
 */
#ifdef NO_GUARANTEE
#define MAY_SEND(from, half, units) (SUM(OUTSTANDING, from) + units <= LIMIT)
#else
#define MAY_SEND(from, half, units) \
  (outstanding[half] + units <= WINDOW && \
   (outstanding[half] + units <= GUARANTEE || \
    2 * BEYOND(outstanding[half] + units - 1) + SUM(SENDERS_EXCESS, from) - \
      BEYOND(outstanding[half]) < POOL))
#endif

#ifdef CREDIT_BY_WINDOWS
#define DUE(half) (unreported[half] >= WINDOW)
#else
#define DUE(half) \
  (unreported[half] > 0 && 2 * unreported[half] >= GUARANTEE && 2 * unreported[half] >= COUNTED(half))
#endif

/* How a direction ends at its sender: only DONE frees the slot. */
#ifdef REUSED_BEFORE_DONE
#define IS_OVER(half) \
  (sending[half] == free || \
   ((sending[half] == ended || sending[half] == reset) && outstanding[half] == 0))
#else
#define IS_OVER(half) (sending[half] == free)
#endif

#if DIRECTIONS == 2 && !defined(REUSED_BY_HALVES)
#define SLOT_IS_FREE(stream) (IS_OVER(stream) && receiving[HALF(1, stream)] == free)
#else
#define SLOT_IS_FREE(stream) IS_OVER(stream)
#endif

/* Every way out goes through here, in the program as in the model. */
inline release(half, units) {
#ifndef CREDIT_ON_ARRIVAL
  unreported[half] = unreported[half] + units; /* first: `units` may be all that is unread */
#endif
  unread[half] = unread[half] - units;
  if
  :: receiving[half] == ended && unread[half] == 0 -> receiving[half] = finished
  :: else
  fi
}

/* A frame with units has come: the sums are checked before they are kept. */
inline arrive(from, half, units) {
  unread[half] = unread[half] + units;
#ifndef NO_GUARANTEE
  assert(COUNTED(half) <= WINDOW);
  assert(SUM(RECEIVERS_EXCESS, from) <= POOL);
#endif
#ifdef CREDIT_ON_ARRIVAL
  unreported[half] = unreported[half] + units;
#endif
  assert(SUM(UNREAD, from) <= LIMIT);
  if
  :: receiving[half] == stopped ->
#ifdef NO_CREDIT_AFTER_STOP
     unread[half] = 0
#else
     release(half, units)
#endif
  :: else
  fi
}

inline credited(half, units) {
#if defined(CLEARED_ON_STOP) || defined(CLEARED_ON_RESET)
  outstanding[half] = (units < outstanding[half] -> outstanding[half] - units : 0)
#else
  assert(units <= outstanding[half]);
  outstanding[half] = outstanding[half] - units
#endif
}

proctype writer(byte from; byte stream) {
  byte half = HALF(from, stream);
end:
  do
  :: atomic {
       /* Peer 0 opens. The streams of peer 1 are open when its OPEN has come. */
       from == 0 && SLOT_IS_FREE(stream) && nfull(wire[0]) ->
       sending[half] = open;
       wire[0]!OPEN, stream, 0;
#if DIRECTIONS == 2
       receiving[HALF(1, stream)] = open
#endif
     }
  :: atomic {
       sending[half] == open && nfull(wire[from]) && MAY_SEND(from, half, 1) ->
       outstanding[half] = outstanding[half] + 1;
       wire[from]!DATA, stream, 1
     }
  :: atomic {
       sending[half] == open && nfull(wire[from]) && MAY_SEND(from, half, 2) ->
       outstanding[half] = outstanding[half] + 2;
       wire[from]!DATA, stream, 2
     }
  :: atomic {
       (sending[half] == open || sending[half] == stopped) && nfull(wire[from]) ->
       if
       :: sending[half] = (sending[half] == stopped -> answered : ended);
          wire[from]!FIN, stream, 0
       :: sending[half] = (sending[half] == stopped -> answered : reset);
#ifdef CLEARED_ON_RESET
          outstanding[half] = 0;
#endif
          wire[from]!RESET, stream, 0
       fi
     }
#ifdef RESET_BEHIND_FIN
  :: atomic {
       sending[half] == ended && nfull(wire[from]) ->
       sending[half] = reset;
       wire[from]!RESET, stream, 0
     }
#endif
  od
}

proctype reader(byte from; byte stream) {
  byte half = HALF(from, stream);
  byte units;
end:
  do
  :: atomic {
       unread[half] > 0 && (receiving[half] == open || receiving[half] == ended) ->
       release(half, 1)
     }
  :: atomic {
       /* The reader gives up. When the end has come already, nothing is left to be stopped. */
       receiving[half] == open ->
       receiving[half] = stopped;
       stop_owed[half] = true;
       release(half, unread[half])
     }
  :: atomic {
       receiving[half] == ended ->
       release(half, unread[half])
     }
  :: atomic {
       stop_owed[half] && nfull(wire[1 - from]) ->
       stop_owed[half] = false;
       wire[1 - from]!STOP, stream, 0
     }
  :: atomic {
       receiving[half] != free && receiving[half] != finished && DUE(half) && nfull(wire[1 - from]) ->
       units = unreported[half];
       unreported[half] = 0;
       wire[1 - from]!CREDIT, stream, units;
       units = 0
     }
  :: atomic {
       receiving[half] == finished && nfull(wire[1 - from]) ->
       receiving[half] = free;
#ifdef CREDIT_BEHIND_DONE
       wire[1 - from]!DONE, stream, 0
#else
       units = unreported[half];
       unreported[half] = 0;
       wire[1 - from]!DONE, stream, units;
       units = 0
#endif
     }
#ifdef CREDIT_BEHIND_DONE
  :: atomic {
       receiving[half] == free && unreported[half] > 0 && nfull(wire[1 - from]) ->
       units = unreported[half];
       unreported[half] = 0;
       wire[1 - from]!CREDIT, stream, units;
       units = 0
     }
#endif
  od
}

/* The table of frames and states: an assertion is what ends a connection. */
proctype receiver(byte me) {
  mtype kind;
  byte stream, units, coming, going;
end:
  do
  :: atomic {
       wire[1 - me]?kind, stream, units ->
       coming = HALF((1 - me) % DIRECTIONS, stream);
       going = HALF(me % DIRECTIONS, stream);
       if
       :: kind == OPEN ->
          assert(receiving[coming] == free);
          receiving[coming] = open
#if DIRECTIONS == 2
          ;
          assert(sending[going] == free);
          sending[going] = open
#endif
       :: kind == DATA ->
          assert(receiving[coming] == open || receiving[coming] == stopped);
          arrive(1 - me, coming, units)
       :: kind == FIN ->
          assert(receiving[coming] == open || receiving[coming] == stopped);
#ifndef STOP_BEHIND_FIN
          stop_owed[coming] = false;
#endif
          receiving[coming] = ended;
          release(coming, 0)
       :: kind == RESET ->
#ifdef RESET_BEHIND_FIN
          /* It may have crossed a DONE, so a receiver would have to let it pass. */
          if
          :: receiving[coming] == free || receiving[coming] == finished -> goto next
          :: else
          fi;
#else
          assert(receiving[coming] == open || receiving[coming] == stopped);
#endif
          stop_owed[coming] = false;
#ifdef NO_CREDIT_ON_RESET
          unread[coming] = 0;
#else
          release(coming, unread[coming]);
#endif
          receiving[coming] = finished
       :: kind == CREDIT ->
          assert(sending[going] != free);
          credited(going, units)
       :: kind == DONE ->
          assert(sending[going] == ended || sending[going] == reset || sending[going] == answered);
          credited(going, units);
          assert(outstanding[going] == 0);
          sending[going] = free
       :: kind == STOP ->
          if
          :: sending[going] == open ->
             sending[going] = stopped;
#ifdef CLEARED_ON_STOP
             outstanding[going] = 0
#endif
          :: sending[going] == ended || sending[going] == reset -> sending[going] = answered
          :: else -> assert(false)
          fi
       fi;
next:
       kind = 0; stream = 0; units = 0; coming = 0; going = 0
     }
  od
}

#define OWES(half) \
  (stop_owed[half] || receiving[half] == finished || (receiving[half] != free && DUE(half)) || \
   sending[half] == stopped)

inline check(from, half) {
  assert(outstanding[half] == COUNTED(half));
  assert((sending[half] == free) == (receiving[half] == free));
  if
  :: unread[half] == 0 && sending[half] == open -> assert(MAY_SEND(from, half, 1))
  :: else -> assert(sending[half] == free || unread[half] > 0 || receiving[half] == open)
  fi
}

active proctype monitor() {
end:
  do
  :: d_step {
       empty(wire[0]) && empty(wire[1]) && !OWES(0) && !OWES(1) &&
#if HALVES == 3
       !OWES(2) ->
       check(0, 0); check(0, 1); check(0, 2)
#else
       true ->
       check(0, 0); check(DIRECTIONS - 1, 1)
#endif
     }
  od
}

init {
  byte stream;
  atomic {
    for (stream : 0 .. STREAMS - 1) {
      run writer(0, stream);
      run reader(0, stream);
#if DIRECTIONS == 2
      run writer(1, stream);
      run reader(1, stream)
#endif
    }
    run receiver(0);
    run receiver(1);
    stream = 0
  }
}
