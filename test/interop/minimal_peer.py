"""The smallest correct peer of a ring, written from docs/ring-format.md alone.

It has aligned 32-bit loads and stores in a mapping, and nothing else: no lock, no doorbell. So it
polls, its death is not noticed, and someone else must see to it that it is alone in its role.

Python cannot store with release, nor load with acquire. On x86 the order of the statements is
enough, because the processor keeps stores in order, and loads too. So this program must not run on
another processor, ARM for one: its consumer would see the header of a record before the payload.
The store that publishes a record must be the last of those that the record needs, and each store of
a word one store: `words[i] = value` is, `struct.pack_into` is several.

    python3 minimal_peer.py read  NAME [COUNT]     until the end of the stream, or COUNT records
    python3 minimal_peer.py write NAME COUNT [SEED [CORK]]     CORK records are published at once

Both print "records N digest D". Exit codes: 0, 1 for a ring that cannot be used or is corrupt.
"""

import mmap
import os
import platform
import struct
import sys
import time

MASK = 0xFFFFFFFF
HEADER_SIZE = 4096
COMMITTED = 0x80000000
PADDING = MASK  # -1 as the type
NEVER, OPEN, CLOSED = 0, 1, 2

# Indexes of 32-bit words. The words of a side follow its position in this order.
VERSION, CAPACITY = 8 // 4, 16 // 4
PRODUCER, CONSUMER = 128 // 4, 256 // 4
POSITION, MESSAGES, STATE, PID, STREAMS, CLAIMS = range(6)


class RingError(Exception):
    pass


class Ring:
    def __init__(self, name, timeout=10):
        if platform.machine() not in ('x86_64', 'AMD64', 'i686'):
            raise RingError('this processor does not keep stores in order')
        self.path = '/dev/shm/' + name.lstrip('/')
        deadline = time.monotonic() + timeout
        while not self._attach():
            if time.monotonic() > deadline:
                raise RingError('there is no finished ring of this name')
            pause()

    def _attach(self):
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            size = os.fstat(descriptor).st_size
            if size == 0:
                return False
            if size < HEADER_SIZE + 4096:
                raise RingError('too small for a ring')
            self.memory = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        # One item of this view is one load or store of 32 bits. struct.pack_into is not: it clears
        # the bytes first, and with '<' it goes byte by byte.
        self.words = memoryview(self.memory).cast('I')
        version = self.words[VERSION]
        if version == 0:
            return False
        if self.memory[0:8] != b'SLUICERG' or version >> 16 != 2:
            raise RingError('no ring of format version 2')
        header_size, self.capacity = struct.unpack_from('<II', self.memory, 12)
        valid = 4096 <= self.capacity <= 1 << 30 and self.capacity & (self.capacity - 1) == 0
        if header_size != HEADER_SIZE or not valid or size < HEADER_SIZE + self.capacity:
            raise RingError('the header makes no sense')
        return True


def pause():
    time.sleep(0.0002)


def record_size(length):
    return 8 + (length + 7 & ~7)


def distance(to, start):
    return (to - start) & MASK


class Side:
    """A role, its own position, and the words of the ring."""

    def __init__(self, ring):
        self.words = ring.words
        self.memory = ring.memory
        self.capacity = ring.capacity
        self.longest = ring.capacity // 2 - 16
        self.most = ring.capacity - 8
        self.claim()
        tail, head = self.words[PRODUCER + POSITION], self.words[CONSUMER + POSITION]
        # `tail` is only a note, so `head` may be ahead of it.
        if (tail | head) & 7 or min(distance(tail, head), distance(head, tail)) > self.most:
            raise RingError('the positions do not fit each other')
        self.take_over(tail, head)

    def word(self, position):
        """The index of the `commit` word at this position; `type` is the next one."""
        return (HEADER_SIZE + (position & (self.capacity - 1))) // 4

    def find(self, position):
        """(length, type, size) of the record at this position, or None, from one load of each."""
        offset = position & (self.capacity - 1)
        index = self.word(position)
        commit = self.words[index]
        if commit == 0:
            return None
        kind = self.words[index + 1]
        length = commit & ~COMMITTED
        size = record_size(length)
        if not commit & COMMITTED or offset + size > self.capacity:
            raise RingError('a record makes no sense')
        if kind == PADDING:
            if offset == 0 or offset + 8 + length != self.capacity:
                raise RingError('padding does not reach to the end')
        elif kind > 0x7FFFFFFF or length > self.longest:
            raise RingError('a record makes no sense')
        return length, kind, size


class Producer(Side):
    corked = 1  # how many records are published at once

    def claim(self):
        begun, seen = self.words[PRODUCER + STREAMS], self.words[CONSUMER + STREAMS]
        if self.words[PRODUCER + STATE] == CLOSED and begun != seen:
            raise RingError('nobody has seen the end of the last stream yet')
        self.words[PRODUCER + STATE] = NEVER
        self.stream = begun if begun != seen else (begun + 1) & MASK

    def take_over(self, tail, head):
        """Finds the end of what a predecessor published, which may have died before its note."""
        self.messages = self.words[PRODUCER + MESSAGES]
        self.position = tail
        while (found := self.find(self.position)) is not None:
            self.position = (self.position + found[2]) & MASK
            if distance(self.position, tail) > self.most:
                raise RingError('the records have no end')
            if found[1] != PADDING:
                self.messages = (self.messages + 1) & MASK
        if distance(self.position, head) > self.most:
            raise RingError('the positions do not fit each other')
        self.words[PRODUCER + POSITION] = self.position
        self.words[PRODUCER + MESSAGES] = self.messages
        self.head = head
        self.published = self.position
        self.held_back = 0  # the `commit` at `published` that makes everything behind it visible
        self.waiting = 0  # records that it would publish

    def peer_is_gone(self):
        return self.words[CONSUMER + STATE] == CLOSED

    def free(self):
        return self.capacity - distance(self.position, self.head)

    def has_room(self, size):
        if self.free() >= size:
            return True
        head = self.words[CONSUMER + POSITION]
        beyond = distance(self.published, head) > self.most
        if head & 7 or beyond or distance(self.position, head) > self.most:
            raise RingError('the head is out of range')
        self.head = head
        return self.free() >= size

    def wait_for_room(self, size):
        while not self.has_room(size):
            self.publish()
            gone = self.peer_is_gone()
            if gone and not self.has_room(size):
                raise RingError('the consumer is gone')
            pause()

    def write(self, payload, kind=0):
        if len(payload) > self.longest:
            raise RingError('too long')
        size = record_size(len(payload))
        rest = self.capacity - (self.position & (self.capacity - 1))
        padding = 0 if size <= rest else rest
        self.wait_for_room(padding + size + 8)
        record = (self.position + padding) & MASK
        end = (record + size) & MASK
        at = self.word(record)
        self.memory[at * 4 + 8 : at * 4 + 8 + len(payload)] = payload
        self.words[at + 1] = kind
        self.words[self.word(end)] = 0
        commit = COMMITTED | len(payload)
        if padding:
            self.words[at] = commit
            self.words[self.word(self.position) + 1] = PADDING
            commit = COMMITTED | padding - 8
        if self.position == self.published:
            self.held_back = commit
        else:
            self.words[self.word(self.position)] = commit
        self.position = end
        self.messages = (self.messages + 1) & MASK
        self.waiting += 1
        if self.waiting >= self.corked:
            self.publish()

    def publish(self):
        if self.position == self.published:
            return
        self.words[self.word(self.published)] = self.held_back
        self.published = self.position
        self.waiting = 0
        self.words[PRODUCER + POSITION] = self.position
        self.words[PRODUCER + MESSAGES] = self.messages

    def close(self):
        self.publish()
        self.words[PRODUCER + STREAMS] = self.stream
        self.words[PRODUCER + STATE] = CLOSED


class Consumer(Side):
    def claim(self):
        self.words[CONSUMER + STATE] = NEVER

    def take_over(self, tail, head):
        self.messages = self.words[CONSUMER + MESSAGES]
        self.position = self.released = head
        self.size = 0  # of the record that was yielded last, while it is not done

    def peer_is_gone(self):
        # The count before the state: the producer stores them the other way round.
        streams = self.words[PRODUCER + STREAMS]
        state = self.words[PRODUCER + STATE]
        return state == CLOSED and streams != self.words[CONSUMER + STREAMS]

    def records(self):
        """Yields (payload, type) until the end of the stream."""
        while True:
            found = self.find(self.position)
            if found is None:
                self.release()
                # Whoever is gone may have written until then, so look once more.
                if self.peer_is_gone() and self.find(self.position) is None:
                    self.words[CONSUMER + STREAMS] = self.words[PRODUCER + STREAMS]
                    return
                pause()
                continue
            length, kind, size = found
            if kind == PADDING:
                self.position = (self.position + size) & MASK
            else:
                self.size = size
                at = self.word(self.position) * 4 + 8
                yield bytes(self.memory[at : at + length]), kind
                self.done()
            if distance(self.position, self.released) >= self.capacity // 8:
                self.release()

    def done(self):
        """The record that was yielded last has been handled."""
        if self.size:
            self.position = (self.position + self.size) & MASK
            self.messages = (self.messages + 1) & MASK
            self.size = 0

    def release(self):
        if self.position == self.released:
            return
        self.released = self.position
        self.words[CONSUMER + POSITION] = self.position
        self.words[CONSUMER + MESSAGES] = self.messages

    def close(self):
        self.release()
        self.words[CONSUMER + STATE] = CLOSED


class Digest:
    """Order, lengths, types and bytes in one number that any language can compute."""

    MODULUS = 4294967291

    def __init__(self):
        self.count = 0
        self.value = 0

    def add(self, payload, kind):
        content = int.from_bytes(payload, 'little') % self.MODULUS
        self.value = (self.value * 31 + len(payload) * 7 + kind + content) % self.MODULUS
        self.count += 1

    def __str__(self):
        return f'records {self.count} digest {self.value}'


PATTERN = bytes(range(256)) * 16


def random_records(count, seed):
    state = seed
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        start = state >> 8 & 255
        yield PATTERN[start : start + (state >> 16) % 1500], state & 0xFFFF


def main(producer_type, consumer_type):
    mode, name = sys.argv[1:3]
    digest = Digest()
    if mode == 'write':
        seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
        producer = producer_type(Ring(name))
        producer.corked = int(sys.argv[5]) if len(sys.argv) > 5 else 1
        for payload, kind in random_records(int(sys.argv[3]), seed):
            producer.write(payload, kind)
            digest.add(payload, kind)
        producer.close()
    elif mode == 'read':
        limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
        consumer = consumer_type(Ring(name))
        if limit != 0:
            for payload, kind in consumer.records():
                digest.add(payload, kind)
                if digest.count == limit:
                    consumer.done()
                    break
        consumer.close()
    else:
        raise SystemExit(__doc__)
    print(digest)


def run(producer_type, consumer_type):
    try:
        main(producer_type, consumer_type)
    except RingError as error:
        raise SystemExit(f'{sys.argv[0]}: {error}')


if __name__ == '__main__':
    run(Producer, Consumer)
