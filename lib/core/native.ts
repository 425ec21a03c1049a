/**
 * The addon: its binary is found here, and its functions have their types here. Every function
 * trusts the types of its arguments; the callers in lib check them.
 */
import { createRequire } from 'node:module'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { SluiceError, type SluiceErrorCode } from './errors.js'
import type { NativePipes } from './native_pipes.js'
import { PipeEvents } from './pipe_events.js'
import type { NativeSockets } from './native_sockets.js'
import { Wakeups } from './wakeups.js'
import { Watches } from './watches.js'

/** A system user's id (on Windows a SID), or 'any'; undefined: the current user and root. */
export type NativeOwner = number | string | undefined

export interface SharedMemoryHandle {
  /** Undefined where the runtime forbids ArrayBuffers over foreign memory. */
  buffer(): ArrayBuffer | undefined
  sharedBuffer(): SharedArrayBuffer | undefined
  sync(): Promise<void>
  size(): number
  name(): string
  descriptor(): number
  close(): void
}

export interface RingSideStats {
  /** Whether somebody has ever had the role, has it or died with it, or closed it. */
  state: 'never' | 'open' | 'closed'
  /** Whether a living process has the role, by the operating system's word. */
  alive: boolean
  /** The last holder's process, as it said itself. */
  pid?: number
  /** Messages written, or read, so far; wraps at 2^32. */
  messages: number
}

export interface RingStats {
  /** Bytes. */
  capacity: number
  /** Bytes of it that hold messages, with their headers and padding. */
  used: number
  producer: RingSideStats
  consumer: RingSideStats
}

export interface RingHandle {
  memory(): SharedMemoryHandle
  capacity(): number
  stats(): RingStats
  close(): void
}

/** WaitStatus of ring_endpoint.hpp. */
export enum WaitStatus {
  ready = 0,
  nothingYet = 1,
  peerClosed = 2,
  peerDied = 3,
}

export interface EndpointHandle {
  park(wanted: number): WaitStatus
  unpark(): void
  waitSync(wanted: number, milliseconds: number): WaitStatus
  wakePeer(): void
  close(): void
  abandon(): void
}

export interface ProducerHandle extends EndpointHandle {
  tryWrite(bytes: Uint8Array, type: number): boolean
  uncork(): void
}

export interface ConsumerHandle extends EndpointHandle {
  peekCopy(): Buffer | undefined
  release(): void
  finish(): void
}

interface Callbacks {
  createError(
    code: SluiceErrorCode,
    message: string,
    syscall?: string,
    errno?: number,
    address?: string,
    pid?: number,
    errnoCode?: string,
  ): Error
  onWake(ids: number[]): void
  onReady(id: number, readiness: number): void
  /** Whether a thread has to watch descriptors, because polls of libuv do not work. */
  watchInThread: boolean
}

export interface NativeAddon extends NativeSockets, NativePipes {
  /** Put there by the first copy of this module in a thread, and shared by all. */
  wakeups?: Wakeups
  watches?: Watches
  pipeEvents?: PipeEvents
  initialise(callbacks: Callbacks): void
  setWakeRef(ref: boolean): void
  hasExternalBuffers(): boolean
  readonly hasSharedBuffers: boolean
  readonly waitsForMany: boolean

  createMemory(name: string, size: number, mode: number, exclusive: boolean): SharedMemoryHandle
  openMemory(name: string, readOnly: boolean, owner: NativeOwner): SharedMemoryHandle
  anonymousMemory(size: number, seal: boolean, hugePages: boolean): SharedMemoryHandle
  memoryFromDescriptor(fd: number, requireSeals: boolean, readOnly: boolean): SharedMemoryHandle
  mapFile(
    path: string,
    offset: number,
    length: number | undefined,
    readOnly: boolean,
    populate: boolean,
  ): SharedMemoryHandle
  unlinkMemory(name: string): void
  /** On Windows only. */
  listMemory?(): { name: string; size: number; ownerSid: string }[]
  detachBuffer(buffer: ArrayBuffer): void

  createRing(name: string, capacity: number, mode: number): RingHandle
  openRing(name: string, timeout: number, owner: NativeOwner): RingHandle
  openOrCreateRing(
    name: string,
    capacity: number,
    mode: number,
    timeout: number,
    owner: NativeOwner,
  ): RingHandle
  anonymousRing(capacity: number): RingHandle
  ringFromDescriptor(fd: number, requireSeals: boolean): RingHandle

  ProducerHandle: new (ring: RingHandle, state: ArrayBuffer, id: number) => ProducerHandle
  ConsumerHandle: new (ring: RingHandle, state: ArrayBuffer, id: number) => ConsumerHandle
}

// This file runs from lib/core (in the tests) and from dist (in the package).
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory)
  return directory
}

function load(): NativeAddon {
  const require = createRequire(import.meta.url)
  try {
    const nodeGypBuild = require('node-gyp-build') as (directory: string) => NativeAddon
    return nodeGypBuild(packageRoot())
  } catch (cause) {
    throw new SluiceError(
      'ERR_SLUICE_NATIVE_MISSING',
      `sluice has no binary that loads on ${process.platform}-${process.arch}; ` +
        'build one with "npx node-gyp rebuild" in the package\'s folder',
      { cause },
    )
  }
}

export const native = load()

if (native.wakeups === undefined || native.watches === undefined) {
  const watches = new Watches()
  const wakeups = new Wakeups((ref) => {
    native.setWakeRef(ref)
  })
  native.wakeups = wakeups
  native.watches = watches
  native.initialise({
    createError: (code, message, syscall, errno, address, pid, errnoCode) =>
      new SluiceError(code, message, {
        syscall,
        errno: errno === undefined ? undefined : -errno,
        errnoCode,
        address,
        pid,
      }),
    onWake: (ids) => {
      wakeups.wake(ids)
    },
    onReady: (id, readiness) => {
      watches.ready(id, readiness)
    },
    // Bun ends the process at the first poll.
    watchInThread:
      process.versions['bun'] !== undefined || process.env['SLUICE_WATCH_IN_THREAD'] === '1',
  })
}

/** Whether this is Windows, and the addon has named pipes. */
export const hasNamedPipes = 'PipeHandle' in native

const events = (native.pipeEvents ??= new PipeEvents((ref) => {
  native.setPipeRef(ref)
}))
if (hasNamedPipes) {
  native.initialisePipes((list) => {
    events.deliver(list)
  })
}

export const pipeEvents = events
export const wakeups = native.wakeups
export const watches = native.watches
