"""The peers in Python against each other, without this library: both follow docs/ring-format.md,
and this program makes the rings by it, too.
"""

import os
import signal
import struct
import subprocess
import sys
import unittest

import minimal_peer
from minimal_peer import CONSUMER, HEADER_SIZE, MASK, MESSAGES, POSITION, PRODUCER, STATE, RingError

HERE = os.path.dirname(os.path.abspath(__file__))
MINIMAL, FULL = os.path.join(HERE, 'minimal_peer.py'), os.path.join(HERE, 'full_peer.py')


class TemporaryRing:
    made = 0

    def __init__(self, capacity, position=0):
        TemporaryRing.made += 1
        self.name = f'/sluice-python-{os.getpid()}-{TemporaryRing.made}'
        self.path = '/dev/shm' + self.name
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(descriptor, 0, HEADER_SIZE + capacity)
        os.pwrite(descriptor, b'SLUICERG', 0)
        os.pwrite(descriptor, struct.pack('<II', HEADER_SIZE, capacity), 12)
        for side in (PRODUCER, CONSUMER):
            os.pwrite(descriptor, struct.pack('<I', position), (side + POSITION) * 4)
        os.pwrite(descriptor, struct.pack('<I', 2 << 16), 8)
        os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)

    def open(self):
        return minimal_peer.Ring(self.name)


class Killed(Exception):
    pass


class DyingWords:
    """The words of a ring for a process that is killed right after its nth store of a word."""

    def __init__(self, words, stores):
        self.words = words
        self.stores = stores

    def __getitem__(self, index):
        return self.words[index]

    def __setitem__(self, index, value):
        self.words[index] = value
        self.stores -= 1
        if self.stores == 0:
            raise Killed


# The fourth one needs padding before it, and all fit into the ring of 4096 bytes together.
LENGTHS = [100, 1, 0, 900, 8, 300, 800]
RECORDS = [bytes([number]) * length for number, length in enumerate(LENGTHS)]


def write_all(ring, corked, first=0):
    producer = minimal_peer.Producer(ring)
    producer.corked = corked
    for number in range(first, len(RECORDS)):
        producer.write(RECORDS[number], number)
        yield producer
    producer.publish()


def read_all(consumer):
    """What is there now, without a look at the producer."""
    records = []
    while (found := consumer.find(consumer.position)) is not None:
        length, kind, size = found
        at = consumer.word(consumer.position) * 4 + 8
        if kind != minimal_peer.PADDING:
            records.append((bytes(consumer.memory[at : at + length]), kind))
        consumer.position = (consumer.position + size) & MASK
    return records


class Peers(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, self.waited_too_long)
        signal.alarm(120)

    def waited_too_long(self, *_):
        raise TimeoutError('a peer waits for ever')

    def start(self, script, *arguments):
        command = [sys.executable, script, *map(str, arguments)]
        pipe, both = subprocess.PIPE, subprocess.STDOUT
        peer = subprocess.Popen(command, stdout=pipe, stderr=both, text=True)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        return peer

    def test_each_understands_the_other(self):
        for reads in (MINIMAL, FULL):
            for writes in (MINIMAL, FULL):
                for corked in (1, 7):
                    for position in (0, MASK + 1 - 65536):
                        self.exchange(reads, writes, corked, position)

    def exchange(self, reads, writes, corked, position):
        with TemporaryRing(4096, position) as ring:
            for stream in range(2):
                reader = self.start(reads, 'read', ring.name)
                # The first reader has closed the role; a writer would take the second for gone.
                while ring.open().words[CONSUMER + STATE] == minimal_peer.CLOSED:
                    self.assertIsNone(reader.poll())
                writer = self.start(writes, 'write', ring.name, 400, stream + 5, corked)
                written, read = writer.communicate()[0], reader.communicate()[0]
                self.assertEqual(written[:12], 'records 400 ')
                self.assertEqual(read, written)
                self.assertEqual((writer.returncode, reader.returncode), (0, 0))
            words = ring.open().words
            self.assertEqual(words[PRODUCER + POSITION], words[CONSUMER + POSITION])
            self.assertEqual(words[PRODUCER + MESSAGES], 800)
            self.assertEqual(words[CONSUMER + MESSAGES], 800)

    def test_a_successor_goes_on_after_a_death_behind_any_store(self):
        for corked in (1, 3):
            for released in (False, True):
                stores = 0
                uncounted = []
                while self.dies(corked, released, stores + 1, uncounted):
                    stores += 1
                # Stores of words: 3 at the claim; 2 a record, 2 more with padding, 1 more if it is
                # not the first of its publication; 3 a publication. The payload is none of them.
                publications = -(-len(RECORDS) // corked)
                held_back = len(RECORDS) - publications
                self.assertEqual(stores, 3 + 2 * len(RECORDS) + 2 + held_back + 3 * publications)
                # Only a death between the stores of `tail` and `messages` leaves records uncounted.
                lengths = [min(corked, len(RECORDS) - first) for first in range(0, len(RECORDS), corked)]
                self.assertEqual([count for count in uncounted if count != 0], lengths)

    def dies(self, corked, released, stores, uncounted):
        """Whether the producer was killed. Adds the number of records that `messages` then lacks."""
        with TemporaryRing(4096, MASK + 1 - 800) as temporary:
            ring = temporary.open()
            consumer = minimal_peer.Consumer(temporary.open())
            words, ring.words = ring.words, DyingWords(ring.words, stores)
            seen = []
            died = False
            try:
                for producer in write_all(ring, corked):
                    if producer.waiting == 0:
                        seen += read_all(consumer)
                        consumer.release()
            except Killed:
                died = True
            ring.words = words
            seen += read_all(consumer)
            if released:
                consumer.release()  # so that `head` may be beyond `tail`
            # Whole publications, or nothing of them.
            self.assertTrue(len(seen) % corked == 0 or len(seen) == len(RECORDS))
            for _ in write_all(ring, 1, len(seen)):
                seen += read_all(consumer)
                consumer.release()
            self.assertEqual(seen, [(record, kind) for kind, record in enumerate(RECORDS)])
            uncounted.append(len(RECORDS) - words[PRODUCER + MESSAGES])
            return died

    def test_a_killed_process_is_succeeded(self):
        with TemporaryRing(65536) as ring:
            words = ring.open().words
            consumer = minimal_peer.Consumer(ring.open())
            count = 0
            may_be_uncounted = 0  # a publication for each that was killed between `tail` and `messages`
            for number in range(10):
                writer = self.start(FULL, 'write', ring.name, 10**9, 1, 1 + number % 3)
                before = count
                while count - before < 500:
                    count += len(read_all(consumer))
                    consumer.release()
                writer.kill()
                writer.communicate()
                count += len(read_all(consumer))
                consumer.release()
                may_be_uncounted += 1 + number % 3
            successor = self.start(FULL, 'write', ring.name, 20)
            self.assertEqual(successor.communicate()[0][:11], 'records 20 ')
            count += len(read_all(consumer))
            consumer.release()
            self.assertEqual(words[PRODUCER + POSITION], words[CONSUMER + POSITION])
            self.assertIn(count - words[PRODUCER + MESSAGES], range(may_be_uncounted + 1))

    def test_what_makes_no_sense_is_refused(self):
        cases = {
            'a record makes no sense': [(0, 5)],
            'padding does not reach to the end': [(0, 0x80000000 | 4088), (1, MASK)],
        }
        for complaint, stores in cases.items():
            with self.subTest(complaint), TemporaryRing(4096) as ring:
                words = ring.open().words
                for index, value in stores:
                    words[HEADER_SIZE // 4 + index] = value
                for mode in ('read', 'write'):
                    peer = self.start(MINIMAL, mode, ring.name, 1)
                    self.assertEqual(peer.communicate()[0], f'{MINIMAL}: {complaint}\n')
                    self.assertEqual(peer.returncode, 1)

    def test_a_walk_round_the_ring_is_refused(self):
        with TemporaryRing(4096) as ring:
            words = ring.open().words
            for unit in range(512):
                words[HEADER_SIZE // 4 + unit * 2] = 0x80000000
            with self.assertRaises(RingError):
                minimal_peer.Producer(ring.open())


if __name__ == '__main__':
    unittest.main()
