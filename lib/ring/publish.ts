/**
 * The stores that make records and room visible to the peer, and the loads that see them.
 *
 * JavaScript has no store with release: `Atomics.store` is sequentially consistent, and on x64 it
 * waits until all earlier stores have got their cache lines from the other core, a round trip for
 * each record. A plain store to an `Int32Array` is one `mov` there; the processor keeps stores in
 * order, and the engines emit them in the order of the program. Elsewhere the store is
 * `Atomics.store` (on arm64 `stlr`, which does not wait).
 *
 * The loads are plain on x64 as well: it keeps them in order, too, and `Atomics.load` is a call of
 * some 20 ns in V8, more than all the rest of a record.
 *
 * That engines keep stores and loads in order is an assumption about them: test/ring/litmus.test.ts and
 * scripts/test-runtimes.mjs try it. `SLUICE_ORDERED_STORES=1` does without it.
 */
import { fenceWanted } from './layout.js'

/** Whether records are published by plain stores. */
export const publishesPlainly =
  process.arch === 'x64' && process.env['SLUICE_ORDERED_STORES'] !== '1'

type Publish = (words: Int32Array, word: number, value: number) => void

/** Stores so that who sees the value sees everything that was stored before it. */
export const publish: Publish = publishesPlainly
  ? (words, word, value) => {
      words[word] = value
    }
  : (words, word, value) => {
      Atomics.store(words, word, value)
    }

type Look = (words: Int32Array, word: number) => number

/** Loads so that what was stored before the value is seen behind it. */
export const look: Look = publishesPlainly
  ? (words, word) => words[word]
  : (words, word) => Atomics.load(words, word)

const fenceWord = new Int32Array(1)

/**
 * The event that the peer sleeps for, by its `parked` word; 0 when it is awake.
 *
 * Normally a sleeper makes the processors of all others pass a barrier before it looks for the last
 * time, so that its peer need not. One that cannot says so by a bit that it always keeps set, and the
 * peer passes a fence itself, unless it has (`fenced`), between its publication and this load.
 */
export function sleepsFor(words: Int32Array, parkedWord: number, fenced: boolean): number {
  const parked = Atomics.load(words, parkedWord)
  if (parked !== fenceWanted || fenced) return parked & 0x7fffffff
  Atomics.exchange(fenceWord, 0, 0) // x64: a locked instruction, so a full fence
  return Atomics.load(words, parkedWord) & 0x7fffffff
}
