/*
 * Sleeping and waking of a ring's two ends (docs/ring-format.md, "Sleeping and waking"), on a
 * machine with store buffers (x86's TSO). On a weaker one `commit`, `tail` and `head` are stored
 * with release and all loads acquire, so that the same is left to go wrong: a store that takes
 * effect after the load behind it. There is no recheck and no close in this model: only the peer's
 * doorbell ends a sleep. scripts/check-model.sh runs it, with each side in each of the two modes:
 *
 *   registered (by default)   As a waker it stores and then loads, no more. As a sleeper it makes
 *                             the processors of all registered processes pass a full barrier.
 *   PRODUCER_FENCED           The one side, or the other, cannot do that. As a waker it passes a
 *   CONSUMER_FENCED           fence after each store; for its peer to do the same, it keeps the bit
 *                             `fence wanted` in its own parked word.
 *   BOTH_ASK                  Both sides can do it, and keep the bit all the same: as sleepers they are
 *                             like fenced ones, as wakers like registered ones.
 *
 * The producer writes records of 1 or 2 units for as long as it likes; the consumer takes any part
 * of what is there, and sleeps only when nothing is. The producer asks to be woken when 2 of the 3
 * units are free, whatever it wants. How a record becomes visible is the matter of publication.pml;
 * here the `commit` words of all records are one word, PUBLISHED.
 *
 * The property: when nothing can move any more, nobody sleeps who has something to do. Spin says
 * "invalid end state" otherwise.
 *
 * These variants must fail:
 *   NO_BARRIER             a registered sleeper passes a fence by itself only
 *   NO_SLEEPER_FENCE       a fenced sleeper does not
 *   NO_WAKER_FENCE         a fenced waker does not, although no barrier reaches it
 *   NO_SECOND_LOOK         the sleeper does not look again after its barrier
 *   LATE_TICKET            the doorbell is read after the last look instead of before
 *   LOAD_FIRST             the waker loads the parked word before its store (a compiler's doing)
 *   BIT_IGNORED            a registered waker does not fence for a peer that wants it
 *   NO_RELOAD              it does, but does not load the parked word again
 *   BIT_TAKEN              the waker clears `fence wanted` when it takes the parked word back
 *   LATE_CLAIM             the consumer claims and sets `fence wanted` while the producer runs.
 *                          This is the protocol; docs/ring-format.md says why the recheck is enough.
 */

#ifdef PRODUCER_FENCED
#define PRODUCER_IS_FENCED true
#else
#define PRODUCER_IS_FENCED false
#endif
#ifdef CONSUMER_FENCED
#define CONSUMER_IS_FENCED true
#else
#define CONSUMER_IS_FENCED false
#endif

#define CAPACITY 3
#define POSITIONS 7 /* positions count modulo this, as they do modulo 2^32 */
#define TICKETS 3   /* doorbells likewise; so few can only add errors, never hide one */
#define DEPTH 2     /* of a store buffer */

#define PRODUCER 0
#define CONSUMER 1
#define FENCED(who) (who == PRODUCER -> PRODUCER_IS_FENCED : CONSUMER_IS_FENCED)
#ifdef BOTH_ASK
#define ASKS(who) true
#else
#define ASKS(who) FENCED(who)
#endif

/* The shared words. A parked word is 0, or the room that is wanted, and the bit. */
#define PUBLISHED 0
#define TAIL 1 /* the note of PUBLISHED, which the consumer reads to know the room */
#define HEAD 2
#define PARKED(who) (3 + who)
#define BELL(who) (5 + who)
#define FENCE_WANTED 4
#define IDLE(who) (ASKS(who) -> FENCE_WANTED : 0)
byte memory[7];

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

/* A full fence, by itself. */
inline fence(me) { pending[me] == 0 }

/*
 * membarrier(GLOBAL_EXPEDITED): a fence by itself, and at some time before it returns one on each
 * processor that runs a registered process; whoever does not run has passed one in the kernel.
 */
inline barrier(me, peer) {
  fence(me);
#ifndef NO_BARRIER
  FENCED(peer) || pending[peer] == 0
#endif
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

/* Doorbell::wait: the kernel compares and falls asleep in one step, or returns for no reason. */
inline fall_asleep(me, ticket) {
  atomic {
    pending[me] == 0; /* a system call */
    if
    :: memory[BELL(me)] == ticket -> asleep[me] = true
    :: true
    fi
  }
}

/* Takes the peer's parked word back with an atomic AND, which keeps the bit. Then it rings. */
inline wake_peer(me, peer) {
  atomic {
    pending[me] == 0;
    value = memory[PARKED(peer)] % FENCE_WANTED;
#ifdef BIT_TAKEN
    memory[PARKED(peer)] = 0
#else
    memory[PARKED(peer)] = memory[PARKED(peer)] - value
#endif
  }
  if
  :: value != 0 ->
     atomic {
       pending[me] == 0;
       memory[BELL(peer)] = (memory[BELL(peer)] + 1) % TICKETS;
       value = 0
     }
     asleep[peer] = false
  :: else
  fi
}

/*
 * The steps before the second look. A sleeper that comes back and finds its word as it left it need
 * not pass the barrier again: whoever takes the word back from now on rings after the ticket.
 */
inline announce(me, peer, wanted) {
#ifndef LATE_TICKET
  load(me, BELL(me), ticket);
#endif
  load(me, PARKED(me), value);
  if
  :: value == IDLE(me) + wanted -> value = 0
  :: else ->
     value = 0;
     store(me, PARKED(me), IDLE(me) + wanted);
     if
     :: ASKS(me) ->
#ifndef NO_SLEEPER_FENCE
        fence(me)
#else
        skip
#endif
     :: else -> barrier(me, peer)
     fi
  fi
}

/* What comes between the store and the decision: `value` becomes the room that the peer wants. */
inline look_at_parked(me, peer) {
#ifndef NO_WAKER_FENCE
  if
  :: FENCED(me) -> fence(me)
  :: else
  fi;
#endif
#ifndef LOAD_FIRST
  load(me, PARKED(peer), value);
#endif
#ifndef BIT_IGNORED
  if
  :: value >= FENCE_WANTED ->
     fence(me);
#ifndef NO_RELOAD
     load(me, PARKED(peer), value)
#endif
  :: else
  fi;
#endif
  value = value % FENCE_WANTED
}

#define DISTANCE(to, from) (((to) + POSITIONS - (from)) % POSITIONS)
#define ROOM(tail, head) (CAPACITY - DISTANCE(tail, head))
#define HOPED_FOR 2

proctype producer() {
  byte slot, value, ticket, wanted;
  byte tail, head; /* its own, and a copy, perhaps old */

write:
  if
  :: goto stop
  :: wanted = 1
  :: wanted = 2
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
  announce(PRODUCER, CONSUMER, HOPED_FOR);
#ifndef NO_SECOND_LOOK
  load(PRODUCER, HEAD, head);
#endif
  assert(DISTANCE(tail, head) <= CAPACITY);
  if
  :: ROOM(tail, head) >= wanted -> store(PRODUCER, PARKED(PRODUCER), IDLE(PRODUCER))
  :: else ->
#ifdef LATE_TICKET
     load(PRODUCER, BELL(PRODUCER), ticket);
#endif
     fall_asleep(PRODUCER, ticket);
     !asleep[PRODUCER];
#ifdef NO_SECOND_LOOK
     load(PRODUCER, HEAD, head);
     if
     :: ROOM(tail, head) >= wanted -> goto commit
     :: else
     fi;
#endif
     goto sleep
  fi;

commit:
  atomic {
    ticket = 0;
    tail = (tail + wanted) % POSITIONS;
    wanted = 0;
#ifdef LOAD_FIRST
    load(PRODUCER, PARKED(CONSUMER), value);
#endif
    store(PRODUCER, PUBLISHED, tail)
  }
  store(PRODUCER, TAIL, tail);
  look_at_parked(PRODUCER, CONSUMER);
  if
  :: value != 0 -> wake_peer(PRODUCER, CONSUMER)
  :: else
  fi;
  goto write;

stop:
  memory[HEAD] == tail /* not an end: if this never comes, the consumer sleeps for ever */
}

proctype consumer() {
  byte slot, value, ticket, seen;
  byte head, tail; /* its own, and what is published */

#ifdef LATE_CLAIM
  store(CONSUMER, PARKED(CONSUMER), FENCE_WANTED);
  fence(CONSUMER);
#endif

read:
  load(CONSUMER, PUBLISHED, tail);
  assert(DISTANCE(tail, head) <= CAPACITY);
  if
  :: tail != head -> goto take
  :: else
  fi;

sleep:
  announce(CONSUMER, PRODUCER, 1);
#ifndef NO_SECOND_LOOK
  load(CONSUMER, PUBLISHED, tail);
#endif
  if
  :: tail != head -> store(CONSUMER, PARKED(CONSUMER), IDLE(CONSUMER))
  :: else ->
#ifdef LATE_TICKET
     load(CONSUMER, BELL(CONSUMER), ticket);
#endif
     fall_asleep(CONSUMER, ticket);
end_asleep:
     !asleep[CONSUMER];
#ifdef NO_SECOND_LOOK
     load(CONSUMER, PUBLISHED, tail);
     if
     :: tail != head -> goto take
     :: else
     fi;
#endif
     goto sleep
  fi;

take:
  atomic {
    ticket = 0;
    if
    :: head = (head + 1) % POSITIONS
    :: DISTANCE(tail, head) > 1 -> head = (head + 2) % POSITIONS
    :: DISTANCE(tail, head) > 2 -> head = (head + 3) % POSITIONS
    fi;
#ifdef LOAD_FIRST
    load(CONSUMER, PARKED(PRODUCER), value);
#endif
    store(CONSUMER, HEAD, head)
  }
  look_at_parked(CONSUMER, PRODUCER);
  if
  :: value != 0 ->
     /* A note that is behind `head` means that all is free. */
     load(CONSUMER, TAIL, seen);
     atomic {
       if
       :: DISTANCE(seen, head) > CAPACITY || ROOM(seen, head) >= value
       :: else -> value = 0
       fi;
       seen = 0
     }
     if
     :: value != 0 -> wake_peer(CONSUMER, PRODUCER)
     :: else
     fi
  :: else
  fi;
  if
  :: tail != head -> goto take
  :: else -> goto read
  fi
}

init {
  atomic {
#ifndef LATE_CLAIM
    memory[PARKED(CONSUMER)] = IDLE(CONSUMER);
#endif
    memory[PARKED(PRODUCER)] = IDLE(PRODUCER);
    run store_buffer(PRODUCER);
    run store_buffer(CONSUMER);
    run producer();
    run consumer()
  }
}
