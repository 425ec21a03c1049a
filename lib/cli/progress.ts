import { SingleBar } from 'cli-progress'

import { formatBytes, formatRate } from './format.js'

const redrawMs = 100

/** How a transfer went. */
export interface Outcome {
  hash: string | undefined
  /** The line that `Progress` tells at the end. */
  summary: string
}

/** How many bytes have gone through, drawn on stderr while that is a terminal. */
export class Progress {
  #bytes = 0
  readonly #total: number | undefined
  readonly #started = performance.now()
  readonly #bar: SingleBar | undefined
  readonly #timer: NodeJS.Timeout | undefined

  /** `total` is undefined when nobody knows; `label` says which way the bytes go. */
  constructor(label: string, total: number | undefined, show: boolean, showRate = true) {
    this.#total = total
    if (!show || !process.stderr.isTTY) return
    const amount =
      total === undefined ? '{transferred}' : '{bar} {percentage}%  {transferred} of {whole}'
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: `${label} ${amount}${showRate ? '  {rate}' : ''}`,
      barCompleteChar: '\u2588',
      barIncompleteChar: '\u2591',
      barsize: 20,
      clearOnComplete: true,
      // Change nothing in the terminal that a killed process would leave changed.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false, // signals are the command's own
      emptyOnZero: true,
    })
    this.#bar.start(total ?? 0, 0, this.#payload())
    this.#timer = setInterval(() => {
      this.#draw()
    }, redrawMs).unref()
  }

  get bytes(): number {
    return this.#bytes
  }

  set bytes(bytes: number) {
    this.#bytes = bytes
  }

  /** Removes the bar and returns how it went: `118.2 MB in 0.21 s (563.0 MB/s)`. */
  stop(): string {
    clearInterval(this.#timer)
    if (this.#bar?.isActive === true) this.#bar.stop()
    const seconds = this.#seconds()
    return `${formatBytes(this.#bytes)} in ${seconds.toFixed(2)} s (${formatRate(this.#bytes, seconds)})`
  }

  #draw(): void {
    this.#bar?.update(Math.min(this.#bytes, this.#total ?? 0), this.#payload())
  }

  #payload(): object {
    return {
      transferred: formatBytes(this.#bytes),
      whole: formatBytes(this.#total ?? 0),
      rate: formatRate(this.#bytes, this.#seconds()),
    }
  }

  #seconds(): number {
    return (performance.now() - this.#started) / 1000
  }
}
