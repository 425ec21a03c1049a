/*
 * How records become visible (docs/ring-format.md, "Producing" and "Consuming"): a record is there
 * when the `commit` word of its header is. Both sides may die between any two stores, as often as
 * they like; a successor goes on. scripts/check-model.sh runs it.
 *
 * The ring has CAPACITY units of 8 bytes. A record takes 1 to LONGEST of them, its header included,
 * and padding before it where it does not fit before the end of the data. The producer publishes
 * any number of records at once, as far as there is room. The consumer releases after any number.
 * Positions are counted modulo a small number, so that there is no last lap. LONGEST is half of the
 * ring; the format allows one unit less.
 *
 * The processor: the producer's stores wait in a buffer of DEPTH. By default they reach memory in
 * any order, except that a store with release comes after all stores before it, and that two
 * stores to the same word keep their order (weaker than any processor there is). With TSO they
 * keep their order, as on x86. The consumer loads `commit` with acquire, so its loads happen in the
 * order in which they are written here; it stores `head` with release, so after them. The producer
 * loads `head` with acquire, so it writes only after that load; it may use an old copy of it, so a
 * late store of `head` needs no buffer. The stores of a killed process reach memory before its lock
 * is free, for the kernel switches away from it first. A compiler that moves a store of `tail` with
 * less than release before the publication makes TAIL_FIRST of it.
 *
 * The properties: each record arrives whole, once, in order; one that was not released arrives
 * again at a consumer's successor; no word is taken for a header that is none; and when the
 * producer stops, the consumer gets everything that was published.
 *
 * These variants must fail:
 *   NO_RELEASE            `commit` and `tail` are stored plainly (passes with TSO)
 *   NO_ZERO_AHEAD         the word behind a record is not cleared before it is published
 *   NO_ROOM_FOR_ZERO      room for a record without the word behind it
 *   LONGER                a record may be one unit longer than LONGEST
 *   PADDING_FIRST         padding is published before the record at the start of the data
 *   CORK_FIRST_FIRST      of several records the first is published first
 *   NO_WALK               a successor of a dead producer believes `tail`
 *   NO_NOTE_AFTER_WALK    it walks, but does not store where it arrived
 *   TAIL_FIRST            `tail` is stored before the publication
 *   EARLY_RELEASE         the consumer releases a record before it has read it
 */

#ifndef CAPACITY
#define CAPACITY 4
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#define POSITIONS (2 * CAPACITY) /* positions count modulo this, as they do modulo 2^32 */
#define LONGEST (CAPACITY / 2)

#ifdef LONGER
#define LIMIT (LONGEST + 1)
#else
#define LIMIT LONGEST
#endif

#ifdef NO_ROOM_FOR_ZERO
#define AHEAD 0
#else
#define AHEAD 1
#endif

#ifdef NO_RELEASE
#define RELEASE false
#else
#define RELEASE true
#endif

/*
 * The data, in units of two words. The first word of a header is `commit`: 0, or the size in units.
 * The second is `type`. Each unit of payload looks like the header of a short record, but for its
 * second word. The second words say to which record they belong: here only whether its number is
 * odd, and as soon as the record is released or its producer has died, that it is an old one.
 */
byte commit[CAPACITY];
byte type[CAPACITY];
#define OLD_HEADER 0
#define PADDING 1
#define RECORD(odd) (2 + (odd))
#define PAYLOAD(odd) (4 + (odd))
#define OLD_PAYLOAD 6
#define IS_HEADER(content) ((content) < PAYLOAD(0))

/* Nobody may take the second word of this unit for a new one any more. */
inline grow_old(unit) {
  type[unit] = (IS_HEADER(type[unit]) -> OLD_HEADER : OLD_PAYLOAD)
}

byte tail;
byte head;

/* Known only here: whether the number of the next record to publish, and to release, is odd. */
bit published;
bit released;

/* Addresses in the store buffer. */
#define COMMIT(unit) (unit)
#define TYPE(unit) (CAPACITY + (unit))
#define BOTH(unit) (2 * CAPACITY + (unit))
#define TAIL (3 * CAPACITY)

byte pending;
byte queued_word[DEPTH];
byte queued_content[DEPTH];
bool queued_release[DEPTH];

/* Inside `atomic`. */
inline store(address, content, release) {
  assert(pending < DEPTH);
  queued_word[pending] = address;
  queued_content[pending] = content;
  queued_release[pending] = release;
  pending++
}

#define SPACE (pending < DEPTH)

inline reach_memory(slot) {
  if
  :: queued_word[slot] == TAIL -> tail = queued_content[slot]
  :: queued_word[slot] < CAPACITY -> commit[queued_word[slot]] = queued_content[slot]
  :: queued_word[slot] >= CAPACITY && queued_word[slot] < 2 * CAPACITY ->
     type[queued_word[slot] - CAPACITY] = queued_content[slot]
  :: queued_word[slot] >= 2 * CAPACITY && queued_word[slot] < TAIL ->
     commit[queued_word[slot] - 2 * CAPACITY] = 1;
     type[queued_word[slot] - 2 * CAPACITY] = queued_content[slot]
  fi;
  i = slot + 1;
  do
  :: i < pending ->
     queued_word[i - 1] = queued_word[i];
     queued_content[i - 1] = queued_content[i];
     queued_release[i - 1] = queued_release[i];
     i++
  :: else -> break
  od;
  pending--;
  queued_word[pending] = 0;
  queued_content[pending] = 0;
  queued_release[pending] = false;
  i = 0
}

#define SAME_UNIT(a, b) (queued_word[a] % CAPACITY == queued_word[b] % CAPACITY)
#define ANY_BOTH(a, b) (queued_word[a] >= 2 * CAPACITY || queued_word[b] >= 2 * CAPACITY)
#define ANY_TAIL(a, b) (queued_word[a] == TAIL || queued_word[b] == TAIL)
#define SAME_WORD(a, b)               \
  (queued_word[a] == queued_word[b] || \
   (!ANY_TAIL(a, b) && SAME_UNIT(a, b) && ANY_BOTH(a, b)))

proctype store_buffer() {
  byte i;
end_idle:
  do
  :: d_step { pending > 0 -> reach_memory(0) }
#ifndef TSO
  :: d_step { pending > 1 && !queued_release[1] && !SAME_WORD(1, 0) -> reach_memory(1) }
#if DEPTH > 2
  :: d_step {
       pending > 2 && !queued_release[2] && !SAME_WORD(2, 0) && !SAME_WORD(2, 1) ->
       reach_memory(2)
     }
#endif
#endif
  od
}

#define DISTANCE(to, from) (((to) + POSITIONS - (from)) % POSITIONS)
#define ROOM (CAPACITY - DISTANCE(position, known_head))
#define OFFSET (position % CAPACITY)

proctype producer() {
  byte position, known_head; /* its own, and a copy, perhaps old */
  byte size, padding, at, unit;
  bit odd;
  byte first_at, first_size; /* the `commit` that publishes what is complete, when it is not 0 */

claim:
  atomic {
    pending == 0; /* the kernel gives the lock of a dead process to the next one */
    known_head = head;
    position = tail;
    odd = published;
#ifndef NO_WALK
    do
    :: commit[OFFSET] != 0 ->
       assert(IS_HEADER(type[OFFSET]));
       size = size + commit[OFFSET];
       assert(size < CAPACITY);
       position = (position + commit[OFFSET]) % POSITIONS
    :: else -> break
    od;
    size = 0;
    assert(DISTANCE(position, known_head) < CAPACITY);
#endif
    unit = DISTANCE(position, known_head);
    do
    :: unit < CAPACITY -> grow_old((known_head + unit) % CAPACITY); unit++
    :: else -> break
    od;
    unit = 0;
#ifndef NO_NOTE_AFTER_WALK
    store(TAIL, position, RELEASE)
#endif
  }

write:
  if
  :: first_size == 0 -> goto stop
  :: atomic { LIMIT >= 1 -> size = 1 }
  :: atomic { LIMIT >= 2 -> size = 2 }
  :: atomic { LIMIT >= 3 -> size = 3 }
  :: atomic { LIMIT >= 4 -> size = 4 }
  fi;
room:
  atomic {
    padding = (size <= CAPACITY - OFFSET -> 0 : CAPACITY - OFFSET);
    at = (position + padding) % CAPACITY;
    if
    :: ROOM >= padding + size + AHEAD
    :: ROOM < padding + size + AHEAD ->
       padding = 0;
       at = 0;
       if
       :: first_size > 0 -> /* what is complete must leave, or the room will never come */
          size = 0;
          goto publish
       :: else ->
          known_head != head;
          known_head = head;
          assert(DISTANCE(position, known_head) < CAPACITY);
          goto room
       fi
    fi
  }

#ifdef PADDING_FIRST
  if
  :: atomic {
       SPACE && padding > 0 && first_size == 0 ->
       store(COMMIT(OFFSET), padding, RELEASE)
     }
  :: padding == 0 || first_size > 0
  fi;
#endif
#ifndef NO_ZERO_AHEAD
  if
  :: atomic { SPACE -> store(COMMIT((at + size) % CAPACITY), 0, false) }
  :: goto died
  fi;
#endif
  unit = 1;
  do
  :: atomic {
       unit < size && SPACE -> store(BOTH(at + unit), PAYLOAD(odd), false);
       unit++
     }
  :: atomic { unit == size -> unit = 0; break }
  :: goto died
  od;
  if
  :: atomic { SPACE -> store(TYPE(at), RECORD(odd), false) }
  :: goto died
  fi;
  if
  :: atomic { SPACE && padding > 0 -> store(TYPE(OFFSET), PADDING, false) }
  :: atomic { padding == 0 }
  :: goto died
  fi;

  /* Its own `commit`, unless that is the one that publishes. */
  if
  :: atomic { SPACE && (padding > 0 || first_size > 0) -> store(COMMIT(at), size, false) }
  :: atomic { padding == 0 && first_size == 0 }
  :: goto died
  fi;
  if
  :: atomic { SPACE && padding > 0 && first_size > 0 -> store(COMMIT(OFFSET), padding, false) }
  :: atomic {
       first_size == 0 ->
       first_at = (padding > 0 -> OFFSET : at);
       first_size = (padding > 0 -> padding : size)
#ifdef CORK_FIRST_FIRST
       ; SPACE;
       store(COMMIT(first_at), first_size, RELEASE)
#endif
     }
  :: atomic { padding == 0 && first_size > 0 }
  :: goto died
  fi;
  atomic {
    position = (position + padding + size) % POSITIONS;
    odd = 1 - odd;
#ifdef CORK_FIRST_FIRST
    published = odd;
#endif
    size = 0;
    padding = 0;
    at = 0;
    if
    :: goto write
    :: goto publish
    fi
  }

publish:
#ifdef TAIL_FIRST
  if
  :: atomic { SPACE -> store(TAIL, position, RELEASE) }
  :: goto died
  fi;
#endif
  if
  :: atomic {
       SPACE ->
#ifndef CORK_FIRST_FIRST
       store(COMMIT(first_at), first_size, RELEASE);
#endif
       published = odd;
       first_at = 0;
       first_size = 0
     }
  :: goto died
  fi;
#ifndef TAIL_FIRST
  if
  :: atomic { SPACE -> store(TAIL, position, RELEASE) }
  :: goto died
  fi;
#endif
  goto write;

died:
  atomic {
    position = 0;
    known_head = 0;
    odd = 0;
    size = 0;
    padding = 0;
    at = 0;
    unit = 0;
    first_at = 0;
    first_size = 0;
    goto claim
  }

stop:
  head == position /* not an end: if this never comes, something is lost */
}

/* The record at `position` is the one that is expected, and whole. */
inline check() {
  assert(position % CAPACITY + size <= CAPACITY);
  assert(size <= LIMIT);
  assert(type[position % CAPACITY] == RECORD(odd));
  unit = 1;
  do
  :: unit < size ->
     assert(type[position % CAPACITY + unit] == PAYLOAD(odd));
     unit++
  :: else -> break
  od;
  unit = 0
}

proctype consumer() {
  byte position, size, unit;
  bit odd;

claim:
  atomic {
    position = head;
    odd = released
  }

read:
end_waiting:
  if
  :: atomic {
       commit[OFFSET] != 0 ->
       size = commit[OFFSET];
       if
       :: type[OFFSET] == PADDING ->
          assert(OFFSET > 0 && OFFSET + size == CAPACITY);
          position = (position + size) % POSITIONS;
          size = 0;
          goto read
       :: else -> check()
       fi
     }
  :: position != head -> goto release
  :: position != head -> goto died /* with nothing to release its successor is the same */
  fi;
#ifdef EARLY_RELEASE
  head = (position + size) % POSITIONS;
#endif
  atomic {
    check(); /* it may take its time */
    position = (position + size) % POSITIONS;
    odd = 1 - odd;
    size = 0;
    if
    :: goto read
    :: goto release
    fi
  }

release:
  atomic {
    do
    :: head != position ->
       grow_old(head % CAPACITY);
       head = (head + 1) % POSITIONS
    :: else -> break
    od;
    released = odd;
    goto read
  }

died:
  atomic {
    position = 0;
    odd = 0;
    goto claim
  }
}

init {
  atomic {
    run store_buffer();
    run producer();
    run consumer()
  }
}
