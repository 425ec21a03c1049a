"""A peer of a ring with everything that Python can do without calling the system directly: it
claims its role with a lock, says so, and notices the death of the other side. It polls instead of
ringing and sleeping. Written from docs/ring-format.md alone; usage as minimal_peer.py.
"""

import fcntl
import os
import struct

import minimal_peer
from minimal_peer import CLAIMS, CLOSED, CONSUMER, MASK, NEVER, OPEN, PID, PRODUCER, STATE, STREAMS
from minimal_peer import RingError

F_OFD_GETLK, F_OFD_SETLK = 36, 37
FLOCK = struct.Struct('hhqqi4x')  # type, whence, start, length, pid
CONSUMER_PARKED, PRODUCER_PARKED = 384 // 4, 512 // 4


class Role:
    """The lock on a role, on an open file description that nobody else has."""

    def __init__(self, ring, side):
        self.words = ring.words
        self.side = side
        self.peer = CONSUMER if side == PRODUCER else PRODUCER
        self.descriptor = os.open(ring.path, os.O_RDWR | os.O_CLOEXEC)
        if os.fstat(self.descriptor).st_size < len(ring.memory):
            raise RingError('the name belongs to another object now')
        lock = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, side * 4, 1, 0)
        try:
            fcntl.fcntl(self.descriptor, F_OFD_SETLK, lock)
        except OSError:
            os.close(self.descriptor)
            raise RingError(f'the role is taken by process {self.words[side + PID]}') from None

    def announce(self, parked):
        self.words[self.side + CLAIMS] = (self.words[self.side + CLAIMS] + 1) & MASK
        self.words[self.side + PID] = os.getpid()
        self.words[parked] = 0
        self.words[self.side + STATE] = OPEN

    def peer_is_gone(self):
        """None, 'closed' or 'died'."""
        claims = self.words[self.peer + CLAIMS]
        streams = self.words[self.peer + STREAMS]
        state = self.words[self.peer + STATE]
        if state == NEVER:
            return None
        if state == CLOSED:
            if self.side == CONSUMER and streams == self.words[self.side + STREAMS]:
                return None
        else:
            lock = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, self.peer * 4, 1, 0)
            if FLOCK.unpack(fcntl.fcntl(self.descriptor, F_OFD_GETLK, lock))[0] != fcntl.F_UNLCK:
                return None
        last_state = self.words[self.peer + STATE]
        if self.words[self.peer + CLAIMS] != claims:
            return None
        if last_state == CLOSED:
            return 'closed'
        return None if state == CLOSED else 'died'

    def close(self):
        self.words[self.side + STATE] = CLOSED
        os.close(self.descriptor)


class Producer(minimal_peer.Producer):
    def __init__(self, ring):
        self.role = Role(ring, PRODUCER)
        super().__init__(ring)
        self.role.announce(PRODUCER_PARKED)
        begun, seen = self.words[PRODUCER + STREAMS], self.words[CONSUMER + STREAMS]
        if begun == seen:
            self.words[PRODUCER + STREAMS] = (begun + 1) & MASK

    def claim(self):
        begun, seen = self.words[PRODUCER + STREAMS], self.words[CONSUMER + STREAMS]
        if self.words[PRODUCER + STATE] == CLOSED and begun != seen:
            raise RingError('nobody has seen the end of the last stream yet')

    def peer_is_gone(self):
        return self.role.peer_is_gone() is not None

    def close(self):
        self.publish()
        self.role.close()


class Consumer(minimal_peer.Consumer):
    def __init__(self, ring):
        self.role = Role(ring, CONSUMER)
        super().__init__(ring)
        self.role.announce(CONSUMER_PARKED)

    def claim(self):
        pass

    def peer_is_gone(self):
        gone = self.role.peer_is_gone()
        if gone == 'died' and self.find(self.position) is None:
            raise RingError('the producer died')
        return gone == 'closed'

    def close(self):
        self.release()
        self.role.close()


if __name__ == '__main__':
    minimal_peer.run(Producer, Consumer)
