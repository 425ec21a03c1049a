/** The addon; each folder beside this one has its own view of what is in it. */
import { nativeSystemError, SluiceError, type SluiceErrorCode } from './errors.js'
import { Listeners } from './listeners.js'
import { loadAddon } from './load_addon.js'

interface Callbacks {
  createError(
    code: SluiceErrorCode,
    message: string,
    syscall?: string,
    number?: number,
    address?: string,
    path?: string,
    pid?: number,
  ): Error
  onWake(ids: number[]): void
  onReady(id: number, readiness: number): void
  /** Whether a thread has to watch descriptors, because polls of libuv do not work. */
  watchInThread: boolean
}

interface CoreNative {
  initialise(callbacks: Callbacks): void
  setWakeRef(ref: boolean): void
  /** Put there by the first copy of this module in a thread, and used by all copies. */
  shared?: Map<string, unknown>
}

function load(): CoreNative {
  return loadAddon() as CoreNative
}

export const addon = load()

/**
 * The object that `make` made in the first copy of this package in this thread: native code calls
 * only that one.
 */
export function shared<T>(name: string, make: () => T): T {
  const all = (addon.shared ??= new Map<string, unknown>())
  if (!all.has(name)) all.set(name, make())
  return all.get(name) as T
}

/**
 * Errors are made by the copy that was loaded last: the others may be of a test file that has ended,
 * with all of its globals.
 */
const errors = shared<{ create: Callbacks['createError'] }>('errors', () => ({
  create: createError,
}))
errors.create = createError

function createError(
  ...[code, message, syscall, number, address, path, pid]: Parameters<Callbacks['createError']>
): Error {
  return syscall === undefined || number === undefined
    ? new SluiceError(code, message, { address, pid })
    : nativeSystemError(message, syscall, number, { address, path })
}

/** Listeners of native calls that every feature can use. */
const { wakeups, watches } = shared('core', () => {
  const listeners = {
    wakeups: new Listeners((ref) => {
      addon.setWakeRef(ref)
    }),
    watches: new Listeners(),
  }
  addon.initialise({
    createError: (...details) => errors.create(...details),
    onWake: (ids) => {
      for (const id of ids) listeners.wakeups.tell(id)
    },
    onReady: (id, readiness) => {
      listeners.watches.tell(id, readiness)
    },
    watchInThread: process.env['SLUICE_WATCH_IN_THREAD'] === '1',
  })
  return listeners
})

export {
  /** Listeners of sleepers in the parking threads. */
  wakeups,
  /** Listeners of descriptors that are watched for readiness. */
  watches,
}

/** `Readiness` of core/watcher.hpp, as bits. */
export const Readiness = {
  readable: 1,
  writable: 2,
  /** For nothing, but the process is kept alive. */
  idle: 4,
} as const
