/** The addon's part for Unix sockets, which Windows lacks. Every function trusts its arguments; the callers check them. */
import { addon } from '../core/native.js'
import { SluiceError } from '../core/errors.js'

export type NativeSocketType = 'stream' | 'seqpacket' | 'datagram'

/** Calls that move data return a count, or the negative error number. */
export interface SocketHandle {
  /** Negative when it is closed. `forUser`: others may have it from now on. */
  descriptor(forUser?: boolean): number
  watch(id: number, readiness: number): void
  /** Only after the first `watch`. */
  setRef(ref: boolean): void
  /** At least the length of the message that is next; 0 also at the end. */
  nextLength(): number
  /** 1: the peer has ended and everything was read; 0: not so; negative: the connection is lost. */
  atEnd(): number
  /** `length + 1`: an empty message of a socket that keeps boundaries; 0: the end. */
  read(buffer: Uint8Array, offset: number, length: number): number
  /** The address of the sender of the last datagram that was read. */
  sender(): string | undefined
  write(chunks: readonly Uint8Array[], index: number, end: number, offset: number): number
  send(
    bytes: Uint8Array,
    offset: number,
    descriptors: OutgoingDescriptors | undefined,
    address?: string,
    padded?: boolean,
  ): number
  /** With these descriptors themselves, which are used only during the call. */
  sendNumbers(bytes: Uint8Array, descriptors: readonly number[]): number
  accept(most: number): SocketHandle[] | number
  connect(address: string, padded: boolean): number
  shutDownWriting(): number
  setBufferSizes(send: number | undefined, receive: number | undefined): number
  /** The sizes for sending and for receiving, as the system has them. */
  bufferSizes(): readonly [number, number] | number
  peer(): NativePeer
  isNamed(): boolean
  leaveName(): void
  close(): void
}

export interface NativePeer {
  pid?: number
  uid: number
  gid: number
  groups?: number[]
}

export interface OutgoingDescriptors {
  close(): void
}

export interface SocketNative {
  /** Descriptors in it are to be passed to `closeDescriptor` or `releaseDescriptor`. */
  readonly socketResults: Int32Array
  checkAddress(address: string): void
  openSocket(type: NativeSocketType, credentials?: boolean): SocketHandle
  bindSocket(
    type: NativeSocketType,
    address: string,
    padded: boolean,
    mode: number,
    removeStale: boolean,
    backlog: number,
    credentials?: boolean,
  ): SocketHandle
  socketFromDescriptor(
    fd: number,
    role: 'listener' | 'connection' | 'datagram',
  ): { handle: SocketHandle; type: NativeSocketType; address?: string }
  openSocketPair(type: NativeSocketType): [SocketHandle, SocketHandle]

  OutgoingDescriptors: new (numbers: readonly number[]) => OutgoingDescriptors
  /**
   * The descriptors that these return are closed with this thread, if not closed or released
   * before.
   */
  duplicateDescriptor(fd: number): number
  adoptDescriptor(fd: number): number
  closeDescriptor(fd: number): void
  releaseDescriptor(fd: number): void
  socketUse(fd: number): 'connection' | 'listener' | 'other'
  descriptorKind(fd: number): 'file' | 'socket' | 'pipe' | 'memory' | 'directory' | 'other'

  peerOf(fd: number): NativePeer
  peerProcess(
    fd: number,
    pid: number | undefined,
  ): { descriptor: number; exact: boolean } | undefined
  securityLabel(fd: number): string | undefined
  signalProcess(pidfd: number, signal: number): number
  hasExited(pidfd: number): boolean
  /** Whether the id stands for everybody whom this user namespace does not know. */
  isUnmappedUser(uid: number): boolean
  isUnmappedGroup(gid: number): boolean
  findGroup(name: string): number | undefined
}

export const native = addon as unknown as SocketNative

/** Whether this platform has Unix sockets that can do what this folder promises. */
export const hasUnixSockets = 'openSocket' in addon

export function requireSockets(): void {
  if (hasUnixSockets) return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    `${process.platform} has no Unix sockets that carry credentials and descriptors`,
  )
}
