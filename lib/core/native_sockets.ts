/** What the addon has for Unix sockets; nothing of it on Windows. */

export type NativeSocketType = 'stream' | 'seqpacket' | 'datagram'

/** Calls that move data return a count, or the negative error number. */
export interface SocketHandle {
  descriptor(): number
  watch(id: number, readiness: number): void
  /** Only after the first `watch`. */
  setRef(ref: boolean): void
  /** `length + 1`: an empty message of a socket that keeps boundaries; 0: the end. */
  read(buffer: Uint8Array, offset: number, length: number): number
  /** Of the last datagram that was read. */
  sender(): string | undefined
  takeDescriptors(): DescriptorHandle[]
  write(chunks: readonly Uint8Array[], index: number, end: number, offset: number): number
  send(
    bytes: Uint8Array,
    offset: number,
    descriptors: OutgoingDescriptors | undefined,
    address?: string,
    padded?: boolean,
  ): number
  accept(most: number): SocketHandle[] | number
  connect(address: string, padded: boolean): number
  shutDownWriting(): number
  setBufferSizes(send: number | undefined, receive: number | undefined): number
  peer(): NativePeer
  leaveName(): void
  close(): void
}

export interface NativePeer {
  pid?: number
  uid: number
  gid: number
  groups?: number[]
}

export interface DescriptorHandle {
  /** -1 when it is closed. */
  number(): number
  release(): number
  close(): void
}

export interface OutgoingDescriptors {
  close(): void
}

export interface NativeSockets {
  readonly socketResults: Int32Array
  checkAddress(address: string): void
  openSocket(type: NativeSocketType): SocketHandle
  bindSocket(
    type: NativeSocketType,
    address: string,
    padded: boolean,
    mode: number,
    removeStale: boolean,
    backlog: number,
  ): SocketHandle
  socketFromDescriptor(
    fd: number,
    role: 'listener' | 'connection' | 'datagram',
  ): { handle: SocketHandle; type: NativeSocketType; address?: string }
  openSocketPair(type: NativeSocketType): [SocketHandle, SocketHandle]
  passCredentials(fd: number): boolean

  OutgoingDescriptors: new (numbers: readonly number[]) => OutgoingDescriptors
  duplicateDescriptor(fd: number): DescriptorHandle
  adoptDescriptor(fd: number): DescriptorHandle
  descriptorKind(fd: number): 'file' | 'socket' | 'pipe' | 'memory' | 'directory' | 'other'

  peerOf(fd: number): NativePeer
  peerProcess(
    fd: number,
    pid: number | undefined,
  ): { handle: DescriptorHandle; exact: boolean } | undefined
  securityLabel(fd: number): string | undefined
  signalProcess(pidfd: number, signal: number): number
  hasExited(pidfd: number): boolean
  findGroup(name: string): number | undefined
}
