/** A ring's header as a bystander reads it. Anybody may have written it: every word is read once, then checked. */
import {
  capacityWord,
  consumerParkedWord,
  consumerSide,
  fenceWanted,
  headerSize,
  headerSizeWord,
  headWord,
  magic,
  maximumCapacity,
  minimumCapacity,
  producerParkedWord,
  producerSide,
  sideMessages,
  sidePid,
  sideState,
  tailWord,
  versionMajor,
  versionWord,
} from './layout.js'

export interface HeaderSideView {
  state: 'never' | 'open' | 'closed'
  /** The last holder's process, as it said itself. */
  pid?: number
  messages: number
  /** Bytes that it sleeps for; 0: it is awake. Whoever died asleep has left its own. */
  parked: number
}

export interface HeaderView {
  capacity: number
  /** Bytes that hold messages. */
  used: number
  /** The producer's position, modulo 2^32. */
  tail: number
  producer: HeaderSideView
  consumer: HeaderSideView
}

/** `size`: of the whole memory, in bytes. Undefined: it is no ring, or not one of this version. */
export function viewHeader(header: ArrayBuffer, size: number): HeaderView | undefined {
  const words = new Uint32Array(header)
  const capacity = words[capacityWord]
  const isRing =
    Buffer.from(header, 0, magic.length).toString('latin1') === magic &&
    words[versionWord] >>> 16 === versionMajor &&
    words[headerSizeWord] === headerSize &&
    isCapacity(capacity) &&
    size >= headerSize + capacity
  if (!isRing) return undefined
  const tail = words[tailWord]
  return {
    capacity,
    used: clampUsed(tail - words[headWord], capacity),
    tail,
    producer: sideOf(words, producerSide, producerParkedWord),
    consumer: sideOf(words, consumerSide, consumerParkedWord),
  }
}

function isCapacity(bytes: number): boolean {
  return bytes >= minimumCapacity && bytes <= maximumCapacity && (bytes & (bytes - 1)) === 0
}

// Between the two loads the head may pass the tail, which is only a note besides.
function clampUsed(used: number, capacity: number): number {
  return used >>> 0 > capacity ? 0 : used >>> 0
}

const states = ['never', 'open', 'closed'] as const

function sideOf(words: Uint32Array, side: number, parkedWord: number): HeaderSideView {
  const pid = words[side + sidePid]
  return {
    state: states[Math.min(words[side + sideState], 2)],
    ...(pid !== 0 && { pid }),
    messages: words[side + sideMessages],
    parked: words[parkedWord] & ~fenceWanted,
  }
}
