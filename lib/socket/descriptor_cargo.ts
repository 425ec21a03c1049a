/** Descriptors that travel with messages. */
import { checkList } from '../core/arguments.js'
import type { Cargo } from '../transport/outbox.js'
import type { CargoKind } from '../transport/transport.js'
import { mostDescriptors } from './connection_options.js'
import { descriptorNumber, type FileDescriptor } from './file_descriptor.js'
import { native, type OutgoingDescriptors } from './native.js'
import type { ReceivedUnixMessage } from './socket_reader.js'

/** The numbers of the descriptors that are to be sent. */
export function descriptorNumbers(fds: unknown): number[] {
  if (fds === undefined) return []
  return checkList('options.fds', fds, mostDescriptors).map((source, index) =>
    descriptorNumber(`options.fds[${String(index)}]`, source),
  )
}

/** Duplicates, which belong to the message until it has gone. */
export function duplicateAll(numbers: readonly number[]): OutgoingDescriptors | undefined {
  return numbers.length === 0 ? undefined : new native.OutgoingDescriptors(numbers)
}

/** Duplicates of a message that waits in an outbox. */
export class DescriptorCargo implements Cargo {
  readonly descriptors: OutgoingDescriptors

  constructor(numbers: readonly number[]) {
    this.descriptors = new native.OutgoingDescriptors(numbers)
  }

  settled(): void {
    this.descriptors.close()
  }
}

export const descriptorCargo: CargoKind<FileDescriptor> = {
  name: 'fds',
  check(fds): readonly number[] | undefined {
    const numbers = descriptorNumbers(fds)
    return numbers.length === 0 ? undefined : numbers
  },
  keep: (numbers) => new DescriptorCargo(numbers as readonly number[]),
  message: (data, received): ReceivedUnixMessage => ({
    data,
    fds: [...received],
  }),
}
