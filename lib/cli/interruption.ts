import { constants } from 'node:os'

import { CommandFailure } from './failure.js'

/** Ctrl-C, or the system asking to end. */
export class Interrupted extends CommandFailure {
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`interrupted by ${signal}`, 128 + constants.signals[signal])
  }
}

/**
 * Aborts at the first such signal, with `Interrupted` as the reason. The second one ends the
 * process, whatever it is still doing.
 */
export function abortAtSignals(controller: AbortController): void {
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const listeners = names.map((name) => {
    const listener = () => {
      for (const [other, its] of listeners) process.removeListener(other, its)
      controller.abort(new Interrupted(name))
    }
    process.on(name, listener)
    return [name, listener] as const
  })
}
