/**
 * When an endpoint that finds nothing may look again: polite_looks.hpp in this language.
 *
 * Each look at a word that the peer is about to write takes its cache line away from it, so that two
 * busy sides crawl from line to line; a consumer that looks away for about the time that a line
 * travels finds several records. Somebody who waits for an answer must look all the time. The two are
 * told apart by how many looks in vain lie between two records: few mean that the producer is busy.
 *
 * The pause lies before a look, never in its place: what was there when the call began is found.
 */

/** Turns of the loop below, which take about 40 and 160 ns once it is compiled. */
const shortest = 28
const longest = 112
/** Turns that one `Atomics.pause` stands for. */
const turnsOfPause = 14
const many = 16

/** The processor's own way to wait, where the runtime has it; the types are those of Node 20. */
const pause = (Atomics as { pause?: () => void }).pause

let chain = 1

/** Takes time without touching memory that anybody else uses. */
const relax: (turns: number) => void =
  pause === undefined
    ? (turns) => {
        let x = chain
        for (let i = 0; i < turns; i++) x = Math.imul(x, 0x5bd1e995) + 1
        chain = x // or the loop would be taken away
      }
    : (turns) => {
        for (let i = 0; i < turns; i += turnsOfPause) pause()
      }

export class PoliteLooks {
  #turns = 0 // of the pause before the next second look; 0: look all the time
  #looksInVain = 0

  /** After a look in vain. True when there was a pause, and a second look is due. */
  pause(): boolean {
    if (this.#turns === 0 || this.#looksInVain > 0) {
      this.#looksInVain = Math.min(this.#looksInVain + 1, many)
      return false
    }
    relax(this.#turns)
    return true
  }

  foundAfterPause(): void {
    this.#turns = Math.min(this.#turns * 2, longest)
  }

  nothingAfterPause(): void {
    this.#looksInVain = 1
    this.#turns = 0
  }

  /** A record was found by a first look. */
  found(): void {
    if (this.#looksInVain === 0) return
    this.#turns = this.#looksInVain < many ? shortest : 0
    this.#looksInVain = 0
  }
}

/** Ever longer pauses of one who waits for room: the consumer stores its head for every record. */
export class GrowingPauses {
  #turns = shortest

  pause(): void {
    relax(this.#turns)
    this.#turns = Math.min(this.#turns * 2, longest)
  }

  reset(): void {
    this.#turns = shortest
  }
}
