import { checkList } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { closeAll } from '../transport/inbox.js'
import type { Cargo } from '../transport/outbox.js'
import type { CargoKind } from '../transport/transport.js'
import { native } from './native.js'
import { mostHandles, parseFrame, takenFrame } from './handle_frame.js'
import type { NamedPipePeer } from './peer.js'
import { handleNumber, SystemHandle } from './system_handle.js'

/** A message of a {@link NamedPipeConnection}, as `receive` gives it. */
export interface ReceivedPipeMessage {
  /** The bytes of the message, the receiver's own. */
  data: Buffer
  /** The receiver's own, to close. */
  handles: SystemHandle[]
}

/**
 * Most handles that a connection has on their way: sent and not yet known to be taken, or come and
 * not yet received.
 */
const mostOnTheWay = 64

/**
 * The handles that are on their way over one connection.
 *
 * The sender keeps duplicates and tells their numbers; the receiver takes them out of the sender's
 * process, which the system names, and says so. A sender that put handles into the receiver instead
 * could name any handle that the receiver has already.
 */
export class HandlePassing {
  /** Handles that this process keeps open for the peer, by the number of the message. */
  readonly #kept = new Map<number, number[]>()
  #keptCount = 0
  #lastId = 0
  /** The peer's process, or why it cannot be had. */
  readonly #process: number | SluiceError
  #unsentAnswers = 0
  #open = true

  /** The process is opened at once: later its id might be another's. */
  constructor(pid: number | undefined) {
    this.#process = openProcess(pid)
  }

  /** Whether the peer has handles to take. */
  get waits(): boolean {
    return this.#keptCount > 0
  }

  /** Duplicates them for a message; they belong to it until it is dropped. */
  keep(handles: readonly number[], peer: NamedPipePeer): { id: number; handles: number[] } {
    requireSameUser(peer)
    if (this.#keptCount + handles.length > mostOnTheWay) {
      throw new SluiceError(
        'ERR_SLUICE_HANDLES_LIMIT',
        `${String(this.#keptCount)} handles were not taken by the peer yet, of at most ` +
          `${String(mostOnTheWay)}; wait until it has received them`,
      )
    }
    const copies: number[] = []
    try {
      for (const handle of handles) copies.push(native.duplicateHandle(handle))
    } catch (error) {
      for (const copy of copies) native.closeHandle(copy)
      throw error
    }
    this.#lastId = (this.#lastId % 0xffffffff) + 1
    this.#kept.set(this.#lastId, copies)
    this.#keptCount += copies.length
    return { id: this.#lastId, handles: copies }
  }

  /**
   * Unpacks a message from the peer; undefined when it holds nothing for the user. `answer` sends
   * something back, or not when it cannot be any more.
   *
   * @throws `ERR_SLUICE_CORRUPT`, `ERR_SLUICE_HANDLES_LOST`, `ERR_SLUICE_HANDLES_LIMIT`,
   * `ERR_SLUICE_UNTRUSTED_OWNER`: the connection cannot go on.
   */
  unpack(
    bytes: Buffer,
    peer: NamedPipePeer,
    answer: (frame: Buffer) => Promise<void> | undefined,
  ): ReceivedPipeMessage | undefined {
    const frame = parseFrame(bytes)
    if (frame === undefined || (frame.taken && !this.drop(frame.id))) {
      throw new SluiceError(
        'ERR_SLUICE_CORRUPT',
        'the peer sent no message of a connection with handles; both need handles: true',
      )
    }
    if (frame.taken) return undefined
    if (frame.handles.length === 0) return { data: frame.data, handles: [] }
    if (this.#unsentAnswers === mostOnTheWay) {
      throw new SluiceError(
        'ERR_SLUICE_HANDLES_LIMIT',
        'the peer sends handles and does not read that they were taken',
      )
    }
    const handles = this.#take(frame.handles, peer)
    this.#unsentAnswers++
    const sent = () => {
      this.#unsentAnswers--
    }
    void answer(takenFrame(frame.id))?.then(sent, sent)
    return { data: frame.data, handles }
  }

  /** The peer has taken them, or never will. False: there is no such message. */
  drop(id: number): boolean {
    const copies = this.#kept.get(id)
    if (copies === undefined) return false
    this.#kept.delete(id)
    this.#keptCount -= copies.length
    for (const copy of copies) native.closeHandle(copy)
    return true
  }

  /** Takes what came with a message out of the peer's process: all of it or nothing. */
  #take(handles: readonly number[], peer: NamedPipePeer): SystemHandle[] {
    requireSameUser(peer)
    const taken: SystemHandle[] = []
    try {
      if (typeof this.#process !== 'number') throw this.#process
      for (const handle of handles) {
        taken.push(new SystemHandle(native.fetchHandle(this.#process, handle)))
      }
    } catch (cause) {
      closeAll(taken)
      throw new SluiceError(
        'ERR_SLUICE_HANDLES_LOST',
        'handles came with a message and could not be taken from their sender',
        { cause },
      )
    }
    return taken
  }

  /** Idempotent. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    for (const id of [...this.#kept.keys()]) this.drop(id)
    if (typeof this.#process === 'number') native.closeHandle(this.#process)
  }
}

/** Handles of a message that waits, or that the peer has yet to take. */
export class HandleCargo implements Cargo {
  readonly id: number
  readonly handles: readonly number[]
  readonly #passing: HandlePassing

  constructor(passing: HandlePassing, numbers: readonly number[], peer: NamedPipePeer) {
    const kept = passing.keep(numbers, peer)
    this.id = kept.id
    this.handles = kept.handles
    this.#passing = passing
  }

  /** Handles that were sent stay open until the peer has taken them; all others are closed now. */
  settled(sent: boolean): void {
    if (!sent) this.#passing.drop(this.id)
  }
}

/** `kept` is called when there are handles that the peer has to take. */
export function handleCargoKind(
  passing: HandlePassing | undefined,
  peer: () => NamedPipePeer,
  kept: () => void,
): CargoKind<SystemHandle> {
  return {
    name: 'handles',
    check(handles): readonly number[] | undefined {
      const numbers = handleNumbers(handles)
      return numbers.length === 0 ? undefined : numbers
    },
    keep(numbers) {
      if (passing === undefined) {
        throw new SluiceError(
          'ERR_SLUICE_INVALID_STATE',
          'the connection was made without handles: true, which both ends need to send handles',
        )
      }
      const cargo = new HandleCargo(passing, numbers as readonly number[], peer())
      kept()
      return cargo
    },
    message: (data, received): ReceivedPipeMessage => ({
      data,
      handles: [...received],
    }),
  }
}

/** The numbers of the handles that are to be sent. */
function handleNumbers(handles: unknown): number[] {
  if (handles === undefined) return []
  return checkList('options.handles', handles, mostHandles).map((source, index) =>
    handleNumber(`options.handles[${String(index)}]`, source),
  )
}

function openProcess(pid: number | undefined): number | SluiceError {
  if (pid === undefined) {
    return new SluiceError(
      'ERR_SLUICE_UNSUPPORTED',
      'the system does not tell which process is at the other end',
    )
  }
  try {
    return native.openPeerProcess(pid)
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
}

function requireSameUser(peer: NamedPipePeer): void {
  if (peer.sameUser) return
  throw new SluiceError(
    'ERR_SLUICE_UNTRUSTED_OWNER',
    `handles go to and come from processes of the same user only, and not ${peer.userSid ?? 'an unknown user'}`,
  )
}
