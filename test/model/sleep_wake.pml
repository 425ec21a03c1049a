/*
 * Sleeping and waking of a ring's two ends, as ring_endpoint.hpp, ring_producer.hpp and
 * ring_consumer.hpp have it, on a machine with store buffers (x86's TSO). There is no recheck and
 * no close in this model: only the peer's doorbell ends a sleep. scripts/check-model.sh runs it.
 *
 * The producer writes records of 1 to 3 units for as long as it likes; the consumer takes any part
 * of what is there, and sleeps only when nothing is. The producer asks to be woken when half of the
 * ring, or what it wants if that is more, is free.
 *
 * The property: when nothing can move any more, nobody sleeps who has something to do.
 *
 * These variants must fail:
 *   NO_FENCE           neither side's stores are ordered before its following loads
 *   NO_SLEEPER_FENCE   only the sleeper's store of `parked` is not
 *   NO_WAKER_FENCE     only the waker's store of its position is not
 *   LATE_TICKET        the doorbell is read after the last look instead of before
 */

#ifdef NO_FENCE
#define NO_SLEEPER_FENCE
#define NO_WAKER_FENCE
#endif

#define CAPACITY 4
#define POSITIONS 5 /* positions count modulo this, as they do modulo 2^32 */
#define TICKETS 3   /* doorbells likewise; so few can only add errors, never hide one */
#define DEPTH 2     /* of a store buffer */

#define PRODUCER 0
#define CONSUMER 1

/* The shared words. */
#define TAIL 0
#define HEAD 1
#define PARKED(who) 2 + who
#define BELL(who) 4 + who
byte memory[6];

/* Kernel: who sleeps on its doorbell. */
bool asleep[2];

/* Store buffers, the oldest store first. */
byte queued_word[4];
byte queued_content[4];
byte pending[2];

inline store(me, address, content) {
  atomic {
    pending[me] < DEPTH;
    queued_word[me * DEPTH + pending[me]] = address;
    queued_content[me * DEPTH + pending[me]] = content;
    pending[me]++
  }
}

/* A processor sees its own stores at once. */
inline load(me, address, loaded) {
  d_step {
    loaded = memory[address];
    slot = 0;
    do
    :: slot < pending[me] ->
       if
       :: queued_word[me * DEPTH + slot] == address -> loaded = queued_content[me * DEPTH + slot]
       :: else
       fi;
       slot++
    :: else -> break
    od;
    slot = 0
  }
}

/* A seq_cst store is an exchange on x86: it empties the buffer and is in memory at once. */
inline store_seq_cst(me, address, content) {
  atomic {
    pending[me] == 0;
    memory[address] = content
  }
}

inline exchange(me, address, content, result) {
  atomic {
    pending[me] == 0;
    result = memory[address];
    memory[address] = content
  }
}

proctype store_buffer(byte me) {
end_idle:
  do
  :: atomic {
       pending[me] > 0;
       memory[queued_word[me * DEPTH]] = queued_content[me * DEPTH];
       queued_word[me * DEPTH] = queued_word[me * DEPTH + 1];
       queued_content[me * DEPTH] = queued_content[me * DEPTH + 1];
       queued_word[me * DEPTH + 1] = 0;
       queued_content[me * DEPTH + 1] = 0;
       pending[me]--
     }
  od
}

/* Doorbell::wait: the kernel compares and falls asleep in one step. */
inline futex_wait(me, ticket) {
  atomic {
    pending[me] == 0; /* a system call */
    if
    :: memory[BELL(me)] == ticket -> asleep[me] = true
    :: else
    fi
  };
  !asleep[me]
}

/* RingEndpoint::wake_peer. */
inline wake_peer(me, peer) {
  exchange(me, PARKED(peer), 0, value);
  if
  :: value != 0 ->
     atomic {
       pending[me] == 0;
       memory[BELL(peer)] = (memory[BELL(peer)] + 1) % TICKETS
     };
     asleep[peer] = false
  :: else
  fi
}

/* RingEndpoint::announce; the caller looks after it. */
inline announce(me, parked) {
#ifndef LATE_TICKET
  load(me, BELL(me), ticket);
#endif
#ifdef NO_SLEEPER_FENCE
  store(me, PARKED(me), parked);
#else
  store_seq_cst(me, PARKED(me), parked);
#endif
}

inline go_to_sleep(me) {
#ifdef LATE_TICKET
  load(me, BELL(me), ticket);
#endif
  futex_wait(me, ticket)
}

inline publish_position(me, address, position) {
#ifdef NO_WAKER_FENCE
  store(me, address, position);
#else
  store_seq_cst(me, address, position);
#endif
}

#define DISTANCE(to, from) (((to) + POSITIONS - (from)) % POSITIONS)
#define ROOM(tail, head) (CAPACITY - DISTANCE(tail, head))

proctype producer() {
  byte slot, value, ticket, wanted, threshold;
  byte tail, head; /* its own, and a copy, perhaps old */

write:
  ticket = 0;
  value = 0;
  if
  :: goto stop
  :: wanted = 1
  :: wanted = 2
  :: wanted = 3
  fi;
  if
  :: ROOM(tail, head) >= wanted -> goto commit
  :: else
  fi;
  load(PRODUCER, HEAD, head);
  if
  :: ROOM(tail, head) >= wanted -> goto commit
  :: else
  fi;

sleep:
  threshold = (wanted > CAPACITY / 2 -> wanted : CAPACITY / 2);
  announce(PRODUCER, threshold);
  threshold = 0;
  load(PRODUCER, HEAD, head);
  assert(DISTANCE(tail, head) <= CAPACITY);
  if
  :: ROOM(tail, head) >= wanted ->
     store_seq_cst(PRODUCER, PARKED(PRODUCER), 0)
  :: else ->
     go_to_sleep(PRODUCER);
     goto sleep
  fi;

commit:
  tail = (tail + wanted) % POSITIONS;
  wanted = 0;
  publish_position(PRODUCER, TAIL, tail);
  load(PRODUCER, PARKED(CONSUMER), value);
  if
  :: value != 0 -> wake_peer(PRODUCER, CONSUMER)
  :: else
  fi;
  goto write;

stop:
  skip
}

proctype consumer() {
  byte slot, value, ticket;
  byte head, tail; /* its own, and a copy, perhaps old */

read:
  value = 0;
  ticket = 0;
  load(CONSUMER, TAIL, tail);
  assert(DISTANCE(tail, head) <= CAPACITY);
  if
  :: tail != head -> goto take
  :: else
  fi;

sleep:
  announce(CONSUMER, 1);
  load(CONSUMER, TAIL, tail);
  if
  :: tail != head ->
     store_seq_cst(CONSUMER, PARKED(CONSUMER), 0)
  :: else ->
     go_to_sleep(CONSUMER);
     goto sleep
  fi;

take:
  do
  :: head = (head + 1) % POSITIONS;
     if
     :: head == tail -> break
     :: head != tail
     :: head != tail -> break
     fi
  od;
  publish_position(CONSUMER, HEAD, head);
  load(CONSUMER, PARKED(PRODUCER), value);
  if
  :: value != 0 && ROOM(tail, head) >= value -> wake_peer(CONSUMER, PRODUCER)
  :: else
  fi;
  if
  :: tail != head -> goto take
  :: else -> goto read
  fi
}

/* `timeout` is true only when nobody else can move. */
proctype observer() {
  timeout;
  assert(!asleep[PRODUCER]);
  assert(!(asleep[CONSUMER] && memory[TAIL] != memory[HEAD]));
  assert(asleep[CONSUMER]); /* which is all that is left to do */
end_quiet:
  false
}

init {
  atomic {
    run store_buffer(PRODUCER);
    run store_buffer(CONSUMER);
    run producer();
    run consumer();
    run observer()
  }
}
