import { SluiceError } from '../core/errors.js'
import { descriptorNumbers } from '../socket/descriptor_cargo.js'
import { FileDescriptor } from '../socket/file_descriptor.js'
import { closeAll } from '../transport/inbox.js'
import type { Cargo } from '../transport/outbox.js'
import type { CargoKind, Closable } from '../transport/transport.js'
import type { Control } from './control.js'
import { ControlKind, nonsense, type ControlMessage } from './control_message.js'

/** Messages with descriptors that have come and that no record has named yet. */
const mostAhead = 16

/** Duplicates of descriptors, which belong to a message until it has gone. */
export class ChannelCargo implements Cargo {
  readonly #duplicates: FileDescriptor[] = []

  constructor(numbers: readonly number[]) {
    try {
      for (const number of numbers) this.#duplicates.push(FileDescriptor.duplicate(number))
    } catch (error) {
      this.settled()
      throw error
    }
  }

  get numbers(): number[] {
    return this.#duplicates.map(({ number }) => number)
  }

  settled(): void {
    closeAll(this.#duplicates.splice(0))
  }
}

/** How messages of a channel carry descriptors, which there are none of on Windows. */
export const channelCargo: CargoKind = {
  name: 'fds',
  check(fds): readonly number[] | undefined {
    if (fds === undefined) return undefined
    if (process.platform === 'win32') {
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'channels carry no descriptors on win32')
    }
    const numbers = descriptorNumbers(fds)
    return numbers.length === 0 ? undefined : numbers
  },
  keep: (numbers) => new ChannelCargo(numbers as readonly number[]),
  message: (data, received) => ({ data, fds: [...received] }),
}

/**
 * Brings descriptors beside a ring: they go by the control connection, with a number that a record in
 * the ring names, so that they come in order with its bytes.
 */
export class CargoLane {
  readonly #control: Control
  readonly #arrived = new Map<number, readonly Closable[]>()
  #lastSent = 0
  #lastCame = 0

  constructor(control: Control) {
    this.#control = control
  }

  /** Resolves with the number when the system has them. */
  async send(cargo: ChannelCargo, signal?: AbortSignal): Promise<number> {
    const { numbers } = cargo
    const number = (this.#lastSent + 1) >>> 0
    await this.#control.send(
      { kind: ControlKind.cargo, number, count: numbers.length },
      { signal },
      numbers,
    )
    this.#lastSent = number
    return number
  }

  /** The descriptors of a record; undefined while they are not there. */
  take(number: number): readonly Closable[] | undefined {
    const received = this.#arrived.get(number)
    if (received === undefined) {
      if (number <= this.#lastCame)
        throw nonsense('a record with descriptors that were taken already')
      return undefined
    }
    this.#arrived.delete(number)
    this.#control.resume()
    return received
  }

  /**
   * Keeps the descriptors of a message that has come, for the record that will name them. Returns whether
   * more may come.
   *
   * @throws `ERR_SLUICE_CORRUPT`
   */
  add(message: ControlMessage): boolean {
    if (message.kind !== ControlKind.cargo) throw nonsense('a message that does not belong here')
    if (message.number !== (this.#lastCame + 1) >>> 0 || message.count === 0) {
      throw nonsense('descriptors out of their order')
    }
    this.#arrived.set(message.number, this.#control.take(message.count))
    this.#lastCame = message.number
    return this.#arrived.size < mostAhead
  }

  close(): void {
    for (const received of this.#arrived.values()) closeAll(received)
    this.#arrived.clear()
  }
}
