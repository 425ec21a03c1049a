/** The addon's part for rings. Every function trusts its arguments; the callers check them. */
import { addon } from '../core/native.js'
import type { NativeOwner, SharedMemoryHandle } from '../memory/native.js'

/** One end of a ring, as {@link Ring.stats} tells it. */
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

/** The result of {@link Ring.stats}. */
export interface RingStats {
  /** Bytes. */
  capacity: number
  /** Bytes of it that hold messages, with their headers and padding. */
  used: number
  /** The writing end. */
  producer: RingSideStats
  /** The reading end. */
  consumer: RingSideStats
}

export interface RingHandle {
  memory(): SharedMemoryHandle
  /** Its own bytes, however long the memory is; undefined where the runtime forbids it. */
  buffer(): ArrayBuffer | undefined
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

/** RingCreation of named_ring_maker.hpp. */
export enum RingCreation {
  /** The ring is there, or this is no ring at all. */
  none = 0,
  underWay = 1,
  /** Its creator has died on the way. */
  abandoned = 2,
}

export interface EndpointHandle {
  park(wanted: number): WaitStatus
  /** The peer is to pass a fence with each publication, so that this end sleeps without a barrier. */
  askForFences(): void
  /** As `park`, but no thread sleeps: the peer rings by other means as well. */
  announce(wanted: number): WaitStatus
  unpark(): void
  waitSync(wanted: number, milliseconds: number): WaitStatus
  /** Whether the peer slept. */
  wakePeer(): boolean
  mourn(): void
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

export interface RingNative {
  readonly waitsForMany: boolean
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
  creationOf(name: string): RingCreation
  /** Removes the name of a ring that is half made and whose creator is dead; false: there is none such. */
  removeAbandonedRing(name: string): boolean

  ProducerHandle: new (ring: RingHandle, state: ArrayBuffer, id: number) => ProducerHandle
  ConsumerHandle: new (ring: RingHandle, state: ArrayBuffer, id: number) => ConsumerHandle
}

export const native = addon as unknown as RingNative
