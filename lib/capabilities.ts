import { exists } from './core/exists.js'
import { native as memory } from './memory/native.js'
import { hasNamedPipes } from './pipe/native.js'
import { native as ring } from './ring/native.js'
import { publishesPlainly } from './ring/publish.js'
import { hasUnixSockets } from './socket/native.js'

/** The features that this machine and runtime support; see {@link capabilities}. */
export interface Capabilities {
  /** `process.platform` */
  platform: string
  /** `process.arch` */
  arch: string
  /** The runtime and its version: `node 20.20.2`. */
  runtime: string
  /** Named and anonymous shared memory, mapped files. On Linux named memory needs /dev/shm. */
  sharedMemory: boolean
  /** Anonymous memory whose size cannot be changed by hostile holders. */
  sealing: boolean
  /** Listing the named objects of the machine. */
  listing: boolean
  /** ArrayBuffers straight over shared memory: without them only copying calls work. */
  zeroCopy: boolean
  /** `SharedMemory.sharedBuffer`. */
  sharedArrayBuffer: boolean
  /** Rings between processes. On Linux their roles need /proc. */
  ring: boolean
  /**
   * Records are published by a plain store of JavaScript, which waits for nothing (x64). Otherwise by
   * `Atomics.store`: on other processors, and with `SLUICE_ORDERED_STORES=1` in the environment.
   */
  plainStores: boolean
  /** `NamedPipeServer` and `connectNamedPipe` (Windows). */
  namedPipes: boolean
  /** One waiting thread for 127 endpoints (futex_waitv, Linux 5.16; 63 on Windows) rather than one for each. */
  waitMany: boolean
  /** Unix sockets with the credentials of the peer. */
  unixSockets: boolean
  /** Unix sockets of the type seqpacket. */
  seqpacket: boolean
  /** `@name` as the address of a Unix socket. */
  abstractNames: boolean
  /** Open files and sockets sent through a Unix socket. */
  descriptorPassing: boolean
}

/**
 * Tells beforehand what would throw `ERR_SLUICE_UNSUPPORTED`.
 *
 * @example
 * ```ts
 * if (!capabilities().zeroCopy) console.warn('messages are copied here')
 * ```
 */
export function capabilities(): Capabilities {
  const { platform, arch } = process
  return {
    platform,
    arch,
    runtime: runtimeName(),
    sharedMemory: platform !== 'linux' || exists('/dev/shm'),
    sealing: platform === 'linux' || platform === 'win32',
    listing: (platform === 'linux' && exists('/dev/shm')) || memory.listMemory !== undefined,
    zeroCopy: memory.hasExternalBuffers(),
    sharedArrayBuffer: memory.hasSharedBuffers,
    ring: platform !== 'linux' || exists('/proc/self/fd'),
    plainStores: publishesPlainly,
    namedPipes: hasNamedPipes,
    waitMany: ring.waitsForMany,
    unixSockets: hasUnixSockets,
    seqpacket: platform === 'linux' || platform === 'freebsd',
    abstractNames: platform === 'linux',
    descriptorPassing: hasUnixSockets,
  }
}

function runtimeName(): string {
  const { bun, deno, electron, node } = process.versions
  if (bun !== undefined) return `bun ${bun}`
  if (deno !== undefined) return `deno ${deno}`
  if (electron !== undefined) return `electron ${electron}`
  return `node ${node}`
}
