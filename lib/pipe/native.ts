/** The addon's part for Windows named pipes, which other systems lack. Every function trusts its arguments; the callers check them. */
import { SluiceError } from '../core/errors.js'
import { Listeners } from '../core/listeners.js'
import { addon, shared } from '../core/native.js'

/** Outcomes are Windows error codes; 0: done; -1: an event will tell. */
export interface PipeHandle {
  id(): number
  connect(): number
  read(length: number): number
  write(bytes: Uint8Array): number
  /** A copy of what was read. */
  take(): Buffer
  identify(): void
  cancel(event: number): void
  disconnect(): number
  /** False: an event follows when the last operation has ended. */
  close(): boolean
  messageType(): boolean
  owner(): string
  identity(): NativeIdentity | undefined
  process(ofServer: boolean): { pid?: number; sessionId?: number }
}

/** The kind of object that a {@link SystemHandle} is open to. */
export type HandleKind = 'file' | 'memory' | 'event' | 'process' | 'other'

/** How far the system trusts the peer of a {@link NamedPipeConnection}: mandatory integrity control. */
export type IntegrityLevel = 'untrusted' | 'low' | 'medium' | 'high' | 'system'

export interface NativeIdentity {
  userSid: string
  integrityLevel: IntegrityLevel | ''
  elevated: boolean
}

export interface InstanceOptions {
  first: boolean
  rejectRemote: boolean
  message: boolean
  maxInstances: number
  inBufferSize: number
  outBufferSize: number
}

export interface PipeNative {
  PipeHandle: {
    /** An instance of a server's pipe. */
    new (path: string, sddl: string, options: InstanceOptions): PipeHandle
    /** A client's end. */
    new (path: string, impersonation: number): PipeHandle
  }
  initialisePipes(onEvents: (events: number[]) => void): void
  setPipeRef(ref: boolean): void
  currentUserSid(): string
  checkSecurity(sddl: string): void
  systemError(syscall: string, code: number, attempt: string, address: string): Error
  accountName(sid: string): Promise<string>
  adoptHandle(handle: number): void
  releaseHandle(handle: number): void
  duplicateHandle(handle: number): number
  closeHandle(handle: number): void
  handleKind(handle: number): HandleKind
  handleOfDescriptor(fd: number): number
  descriptorOfHandle(handle: number): number
  openPeerProcess(pid: number): number
  fetchHandle(process: number, handle: number): number
}

export const native = addon as unknown as PipeNative

/** Whether this is Windows. */
export const hasNamedPipes = 'PipeHandle' in addon

export function requirePipes(): void {
  if (hasNamedPipes) return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    `named pipes are for Windows; on ${process.platform} there are Unix sockets`,
  )
}

/** `PipeEvent` of pipe_win.hpp. */
export const PipeEvent = {
  connected: 0,
  read: 1,
  written: 2,
  identified: 3,
  closed: 4,
} as const

/** Listens to the operations on pipes; those that are kept alive keep the process alive. */
export const pipeListeners = shared('pipeListeners', () => {
  const listeners = new Listeners((ref) => {
    native.setPipeRef(ref)
  })
  if (hasNamedPipes) {
    // Triples of a pipe's id, the event and its error code.
    native.initialisePipes((events) => {
      for (let i = 0; i < events.length; i += 3) {
        const [id = 0, event = 0, error = 0] = events.slice(i, i + 3)
        listeners.tell(id, event, error)
      }
    })
  }
  return listeners
})
