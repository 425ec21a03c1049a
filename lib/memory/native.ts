/** The addon's part for shared memory. Every function trusts its arguments; the callers check them. */
import { addon } from '../core/native.js'

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

export interface MemoryNative {
  hasExternalBuffers(): boolean
  readonly hasSharedBuffers: boolean
  createMemory(name: string, size: number, mode: number, exclusive: boolean): SharedMemoryHandle
  openMemory(
    name: string,
    readOnly: boolean,
    owner: NativeOwner,
    offset: number,
    length: number | undefined,
  ): SharedMemoryHandle
  anonymousMemory(size: number, seal: boolean, hugePages: boolean): SharedMemoryHandle
  memoryFromDescriptor(
    fd: number,
    requireSeals: boolean,
    readOnly: boolean,
    offset: number,
    length: number | undefined,
  ): SharedMemoryHandle
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
}

export const native = addon as unknown as MemoryNative
