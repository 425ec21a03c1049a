/** What the addon has for Windows named pipes; nothing of it elsewhere. */

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

/** What a handle is open to. */
export type HandleKind = 'file' | 'memory' | 'event' | 'process' | 'other'

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

export interface NativePipes {
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
  processResources(): { handles: number; threads: number }
  openHandles(): Record<string, number>
}
