import { constants } from 'node:os'

import { checkInteger, invalidArgument } from '../core/arguments.js'
import { makeOneOfAllCopies } from '../core/copies.js'
import { isSystemError, nodeError, SluiceError, systemError } from '../core/errors.js'
import { native } from './native.js'
import type { NativePeer } from './native.js'
import type { Peer } from '../transport/peer.js'
import { FileDescriptor } from './file_descriptor.js'
import { invalid, noSuchProcess } from './errno.js'

/**
 * The process at the other end of a Unix socket, by the kernel's word and not by the peer's.
 *
 * These are the credentials at the time of the `connect` (on macOS, for a client, of the server's
 * `listen`). Decide by `uid`, `gid` and `groups`. The pid is information: it is used again after the
 * process has ended; to watch or signal the process take `pidfd()` or `kill()`. Not on Windows, where a
 * peer is a {@link NamedPipePeer}.
 *
 * @example
 * ```ts
 * const [one, other] = socketPair()
 * const { peer } = one
 * console.log(peer.uid, peer.sameUser, peer.toJSON())
 * if (peer.isAlive()) console.log('runs:', peer.kill(0)) // 0: no signal, but whether there could be one
 * if (process.platform === 'linux') {
 *   using process = peer.pidfd() // to keep for longer than the connection
 *   console.log(process?.number)
 * }
 * one.close()
 * other.close()
 * ```
 */
export class PeerCredentials implements Peer {
  static {
    makeOneOfAllCopies(this, 'PeerCredentials')
  }

  /** The process's id; undefined for one outside of this pid namespace. */
  readonly pid: number | undefined
  /** The effective user's id. */
  readonly uid: number
  /** The effective group's id. */
  readonly gid: number
  /** Supplementary groups. Undefined where the system does not tell them. */
  readonly groups: readonly number[] | undefined
  readonly #descriptor: () => number | undefined

  /** @internal `descriptor`: the socket's, as long as it is open. */
  constructor({ pid, uid, gid, groups }: NativePeer, descriptor: () => number | undefined) {
    this.pid = pid
    this.uid = uid
    this.gid = gid
    this.groups = groups
    this.#descriptor = descriptor
  }

  /** The user's id, the same as `uid`: what peers of every transport have. */
  get user(): number {
    return this.uid
  }

  /**
   * Whether the peer is of this process's effective user. In a user namespace that does not know its
   * user, nobody is: the id (65534) is shared by all who are unknown there.
   */
  get sameUser(): boolean {
    return this.uid === process.geteuid?.() && !native.isUnmappedUser(this.uid)
  }

  /** The security module's label (SELinux, AppArmor), while the socket is open. */
  get securityLabel(): string | undefined {
    const descriptor = this.#descriptor()
    return descriptor === undefined ? undefined : native.securityLabel(descriptor)
  }

  /**
   * A descriptor of the peer's process, which becomes readable when that ends, while the socket is
   * open. Before Linux 6.5 it is found by the pid, which may be another process's by now.
   * Undefined when the process is gone.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_UNSUPPORTED` (not Linux; before Linux 6.5 for a process
   * outside of this pid namespace, which cannot be found there).
   */
  pidfd(): FileDescriptor | undefined {
    if (process.platform !== 'linux') {
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', `${process.platform} has no pidfds`)
    }
    const found = native.peerProcess(this.#requireDescriptor(), this.pid)
    return found && new FileDescriptor(found.descriptor)
  }

  /**
   * Whether the peer's process runs, while the socket is open.
   *
   * @throws `ERR_SLUICE_CLOSED`; on Linux as `pidfd`.
   */
  isAlive(): boolean {
    if (process.platform !== 'linux') {
      this.#requireDescriptor()
      return this.pid !== undefined && isRunning(this.pid)
    }
    const process_ = this.pidfd()
    if (process_ === undefined) return false
    try {
      return !native.hasExited(process_.number)
    } finally {
      process_.close()
    }
  }

  /**
   * Sends a signal to the peer's process, while the socket is open; false when that has ended. On
   * Linux 6.5 and later it cannot hit another process.
   *
   * @throws `ERR_SLUICE_CLOSED`; `EPERM`; `EINVAL` for a process outside of this pid namespace, which cannot
   * be sent a signal. Before Linux 6.5 that is `ERR_SLUICE_UNSUPPORTED`.
   */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const number = typeof signal === 'number' ? signal : constants.signals[signal]
    if (!Number.isInteger(number)) throw invalidArgument('signal', 'a signal', signal)
    checkInteger('signal', number, 0, 64)
    if (process.platform !== 'linux') {
      this.#requireDescriptor()
      return this.pid !== undefined && isRunning(this.pid) && signalProcess(this.pid, number)
    }
    const process_ = this.pidfd()
    if (process_ === undefined) return false
    try {
      const failure = native.signalProcess(process_.number, number)
      if (failure === noSuchProcess) return false
      if (failure < 0) {
        // The signal is a valid one, so it is the process that cannot have it.
        const hint = failure === invalid ? outsideOfNamespace : undefined
        throw systemError('cannot signal the peer', 'pidfd_send_signal', failure, { hint })
      }
      return true
    } finally {
      process_.close()
    }
  }

  /** The values that `console.log` and `JSON.stringify` show. */
  toJSON(): { pid?: number; uid: number; gid: number; groups?: number[] } {
    const { pid, uid, gid, groups } = this
    return {
      ...(pid !== undefined && { pid }),
      uid,
      gid,
      ...(groups !== undefined && { groups: [...groups] }),
    }
  }

  #requireDescriptor(): number {
    const descriptor = this.#descriptor()
    // The number may belong to another socket by now, if it was the user's to close.
    if (descriptor === undefined || native.peerOf(descriptor).pid !== this.pid) {
      throw new SluiceError(
        'ERR_SLUICE_CLOSED',
        'the connection is closed; take pidfd() while it is open',
      )
    }
    return descriptor
  }
}

const outsideOfNamespace =
  'its process is outside of the pid namespace of this one: no signal goes there'

function signalProcess(pid: number, number: number): boolean {
  try {
    return process.kill(pid, number)
  } catch (error) {
    if (isSystemError(error, 'ESRCH')) return false
    throw nodeError('cannot signal the peer', 'kill', error)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isSystemError(error, 'EPERM')
  }
}
