"""The smallest correct peer of a ring, written from docs/ring-format.md alone.

It has aligned 32-bit loads and stores in a mapping, and nothing else: no lock, no doorbell. So it
polls, its death is not noticed, and someone else must see to it that it is alone in its role.

    python3 minimal_peer.py read  NAME [COUNT]     until the end of the stream, or COUNT records
    python3 minimal_peer.py write NAME COUNT [SEED]

Both print "records N digest D". Exit codes: 0, 1 for a ring that cannot be used or is corrupt.
"""

import mmap
import os
import struct
import sys
import time

MASK = 0xFFFFFFFF
HEADER_SIZE = 4096
RECORD_HEADER = struct.Struct('<Ii')
PADDING = -1
NEVER, OPEN, CLOSED = 0, 1, 2

# Indexes of 32-bit words. The words of a side follow its position in this order.
VERSION, CAPACITY = 8 // 4, 16 // 4
PRODUCER, CONSUMER = 128 // 4, 256 // 4
POSITION, MESSAGES, STATE, PID, STREAMS, CLAIMS = range(6)


class RingError(Exception):
    pass


class Ring:
    def __init__(self, name, timeout=10):
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
        if self.memory[0:8] != b'SLUICERG' or version >> 16 != 1:
            raise RingError('no ring of format version 1')
        header_size, self.capacity = struct.unpack_from('<II', self.memory, 12)
        valid = 4096 <= self.capacity <= 1 << 30 and self.capacity & (self.capacity - 1) == 0
        if header_size != HEADER_SIZE or not valid or size < HEADER_SIZE + self.capacity:
            raise RingError('the header makes no sense')
        return True


def pause():
    time.sleep(0.0002)


def record_size(length):
    return 8 + (length + 7 & ~7)


class Producer:
    def __init__(self, ring):
        self.ring = ring
        self.words = ring.words
        self.claim()
        self.position = self.words[PRODUCER + POSITION]
        self.head = self.words[CONSUMER + POSITION]
        self.messages = self.words[PRODUCER + MESSAGES]
        if (self.position - self.head) & MASK > ring.capacity or (self.position | self.head) & 7:
            raise RingError('the positions do not fit each other')

    def claim(self):
        begun, seen = self.words[PRODUCER + STREAMS], self.words[CONSUMER + STREAMS]
        if self.words[PRODUCER + STATE] == CLOSED and begun != seen:
            raise RingError('nobody has seen the end of the last stream yet')
        self.words[PRODUCER + STATE] = NEVER
        self.stream = begun if begun != seen else (begun + 1) & MASK

    def peer_is_gone(self):
        return self.words[CONSUMER + STATE] == CLOSED

    def free(self):
        return self.ring.capacity - ((self.position - self.head) & MASK)

    def has_room(self, size):
        if self.free() >= size:
            return True
        head = self.words[CONSUMER + POSITION]
        if (self.position - head) & MASK > self.ring.capacity or head & 7:
            raise RingError('the head is out of range')
        self.head = head
        return self.free() >= size

    def write(self, payload, kind=0):
        capacity = self.ring.capacity
        size = record_size(len(payload))
        if size > capacity // 2:
            raise RingError('too long')
        offset = self.position & (capacity - 1)
        padding = 0 if size <= capacity - offset else capacity - offset
        while not self.has_room(padding + size):
            gone = self.peer_is_gone()
            if gone and not self.has_room(padding + size):
                raise RingError('the consumer is gone')
            pause()
        if padding:
            RECORD_HEADER.pack_into(self.ring.memory, HEADER_SIZE + offset, padding - 8, PADDING)
            offset = 0
        at = HEADER_SIZE + offset
        RECORD_HEADER.pack_into(self.ring.memory, at, len(payload), kind)
        self.ring.memory[at + 8 : at + 8 + len(payload)] = payload
        self.position = (self.position + padding + size) & MASK
        self.messages = (self.messages + 1) & MASK
        self.words[PRODUCER + MESSAGES] = self.messages
        self.words[PRODUCER + POSITION] = self.position

    def close(self):
        self.words[PRODUCER + STREAMS] = self.stream
        self.words[PRODUCER + STATE] = CLOSED


class Consumer:
    def __init__(self, ring):
        self.ring = ring
        self.words = ring.words
        self.claim()
        self.position = self.words[CONSUMER + POSITION]
        self.messages = self.words[CONSUMER + MESSAGES]
        tail = self.words[PRODUCER + POSITION]
        if (tail - self.position) & MASK > ring.capacity or (tail | self.position) & 7:
            raise RingError('the positions do not fit each other')

    def claim(self):
        self.words[CONSUMER + STATE] = NEVER

    def peer_is_gone(self):
        # The count before the state: the producer stores them the other way round.
        streams = self.words[PRODUCER + STREAMS]
        state = self.words[PRODUCER + STATE]
        return state == CLOSED and streams != self.words[CONSUMER + STREAMS]

    def records(self):
        """Yields (payload, type) until the end of the stream."""
        while True:
            tail = self.load_tail()
            if tail == self.position:
                # Whoever is gone may have written until then, so look once more.
                if self.peer_is_gone() and self.load_tail() == self.position:
                    self.words[CONSUMER + STREAMS] = self.words[PRODUCER + STREAMS]
                    return
                pause()
                continue
            while self.position != tail:
                record = self.next_record(tail)
                if record is not None:
                    yield record
                    self.messages = (self.messages + 1) & MASK
            self.words[CONSUMER + MESSAGES] = self.messages
            self.words[CONSUMER + POSITION] = self.position

    def load_tail(self):
        tail = self.words[PRODUCER + POSITION]
        if (tail - self.position) & MASK > self.ring.capacity or tail & 7:
            raise RingError('the tail is out of range')
        return tail

    def next_record(self, tail):
        capacity = self.ring.capacity
        offset = self.position & (capacity - 1)
        at = HEADER_SIZE + offset
        length, kind = RECORD_HEADER.unpack_from(self.ring.memory, at)
        size = record_size(length)
        if size > (tail - self.position) & MASK or offset + size > capacity:
            raise RingError('a record is too long')
        self.position = (self.position + size) & MASK
        if kind == PADDING:
            if offset == 0 or offset + size != capacity:
                raise RingError('padding does not reach to the end')
            return None
        if kind < 0 or length > capacity // 2 - 8:
            raise RingError('a record makes no sense')
        return bytes(self.ring.memory[at + 8 : at + 8 + length]), kind

    def close(self):
        self.words[CONSUMER + MESSAGES] = self.messages
        self.words[CONSUMER + POSITION] = self.position
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
                    consumer.messages = (consumer.messages + 1) & MASK
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
