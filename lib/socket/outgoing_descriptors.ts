import { invalidArgument } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { native } from './native.js'
import type { OutgoingDescriptors } from './native.js'
import { mostDescriptors } from './connection_options.js'
import { descriptorNumber } from './file_descriptor.js'

/** The numbers of what is to be sent. */
export function descriptorNumbers(fds: unknown): number[] {
  if (fds === undefined) return []
  if (!Array.isArray(fds)) throw invalidArgument('options.fds', 'an array', fds)
  if (fds.length > mostDescriptors) {
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      `options.fds must have at most ${String(mostDescriptors)} members; it has ${String(fds.length)}`,
    )
  }
  return fds.map((source, index) => descriptorNumber(`options.fds[${String(index)}]`, source))
}

/** Duplicates, which belong to the message until it has gone. */
export function duplicateAll(numbers: readonly number[]): OutgoingDescriptors | undefined {
  return numbers.length === 0 ? undefined : new native.OutgoingDescriptors(numbers)
}
