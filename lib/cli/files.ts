/** Where the bytes of `send` come from and those of `recv` go: a file, or standard input and output. */
import {
  close,
  constants,
  fstatSync,
  ftruncate,
  open,
  read,
  unlink,
  write,
  type Stats,
} from 'node:fs'
import { open as openFile } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { promisify } from 'node:util'

import { isSystemError } from '../index.js'
import { CommandFailure, exitCodes, messageOf } from './failure.js'
import { pause } from './waiting.js'

const standard = '-'
const stdinDescriptor = 0
const stdoutDescriptor = 1
const chunkSize = 256 * 1024

const openDescriptor = promisify(open)
const readDescriptor = promisify(read)
const closeDescriptor = promisify(close)
const truncateDescriptor = promisify(ftruncate)
const writeDescriptor = promisify(write)
const removeFile = promisify(unlink)

export interface Input {
  /** Bytes; undefined when only the end will tell. */
  size: number | undefined
  /** The next bytes of a regular file, put where they are wanted; 0 at its end. */
  readInto: ((target: Uint8Array, offset: number, length: number) => Promise<number>) | undefined
  /** For all that is no regular file. */
  stream(): Readable
  close(): Promise<void>
}

export async function openInput(path: string, signal: AbortSignal): Promise<Input> {
  if (path === standard) {
    return {
      ...regular(fstatSync(stdinDescriptor), path, (...args) =>
        readDescriptor(stdinDescriptor, ...args, null),
      ),
      stream: () => addAbortSignal(signal, process.stdin),
      close: () => Promise.resolve(),
    }
  }
  try {
    const file = await openFile(path)
    const status = await file.stat()
    if (status.isDirectory()) {
      await file.close()
      throw new CommandFailure(`cannot read ${path}: is a directory`)
    }
    return {
      ...regular(status, path, (...args) => file.read(...args, null)),
      stream: () => file.createReadStream({ highWaterMark: chunkSize, signal }),
      close: () => file.close(),
    }
  } catch (error) {
    throw fileFailure('read', path, error)
  }
}

function regular(
  status: Stats,
  path: string,
  read: (target: Uint8Array, offset: number, length: number) => Promise<{ bytesRead: number }>,
): Pick<Input, 'size' | 'readInto'> {
  if (!status.isFile()) return { size: undefined, readInto: undefined }
  return {
    size: status.size,
    readInto: async (target, offset, length) => {
      try {
        return (await read(target, offset, length)).bytesRead
      } catch (error) {
        throw fileFailure('read', path, error)
      }
    },
  }
}

/**
 * A file keeps its old content until the first byte comes, so that a `recv` that waits in vain
 * destroys nothing.
 */
export class Output {
  readonly #path: string
  readonly #descriptor: number
  readonly #isNew: boolean
  readonly #isFile: boolean
  #begun = false
  #written = 0

  private constructor(path: string, descriptor: number, isNew: boolean) {
    this.#path = path
    this.#descriptor = descriptor
    this.#isNew = isNew
    // Standard output is the caller's, also when it leads to a file: it is not cut off.
    this.#isFile = path !== standard && fstatSync(descriptor).isFile()
  }

  static async open(path: string): Promise<Output> {
    if (path === standard) return new Output(path, stdoutDescriptor, false)
    const { O_WRONLY, O_CREAT, O_EXCL } = constants
    try {
      return new Output(path, await openDescriptor(path, O_WRONLY | O_CREAT | O_EXCL), true)
    } catch (error) {
      if (!isSystemError(error, 'EEXIST')) throw fileFailure('write', path, error)
    }
    try {
      const descriptor = await openDescriptor(path, O_WRONLY)
      if (!fstatSync(descriptor).isDirectory()) return new Output(path, descriptor, false)
      // Which Windows opens.
      await closeDescriptor(descriptor)
    } catch (error) {
      throw fileFailure('write', path, error)
    }
    throw new CommandFailure(`cannot write ${path}: is a directory`)
  }

  /** Resolves when the system has taken all the bytes. */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      await this.#begin()
      for (let done = 0; done < bytes.byteLength;) {
        const count = await this.#writeSome(bytes.subarray(done))
        done += count
        this.#written += count
      }
    } catch (error) {
      throw this.#failure(error)
    }
  }

  async finish(): Promise<void> {
    try {
      await this.#begin()
      if (this.#path !== standard) await closeDescriptor(this.#descriptor)
    } catch (error) {
      throw this.#failure(error)
    }
  }

  /**
   * After a failure: says what has become of the output, if there is anything to say, and removes a
   * file that got nothing.
   */
  async giveUp(): Promise<string | undefined> {
    if (!this.#isFile) {
      return this.#written > 0 ? `what was written to ${this.#name()} is incomplete` : undefined
    }
    if (this.#begun) return `${this.#path} is incomplete`
    if (!this.#isNew) return `${this.#path} was not touched`
    await removeFile(this.#path).catch(() => undefined) // somebody else removed it
    return `${this.#path} was not made`
  }

  async #begin(): Promise<void> {
    if (this.#begun) return
    this.#begun = true
    // A device or a pipe has nothing to cut off.
    if (this.#isFile) await truncateDescriptor(this.#descriptor, 0)
  }

  // Through the thread pool, also to a pipe: a reader that does not read must not stop the loop,
  // or Ctrl-C could not be answered.
  async #writeSome(bytes: Uint8Array): Promise<number> {
    for (;;) {
      try {
        return (await writeDescriptor(this.#descriptor, bytes)).bytesWritten
      } catch (error) {
        // A pipe that another of its holders has made non-blocking.
        if (!isSystemError(error, 'EAGAIN')) throw error
        await pause(10)
      }
    }
  }

  #name(): string {
    return this.#path === standard ? 'stdout' : this.#path
  }

  #failure(error: unknown): CommandFailure {
    if (this.#path === standard && isSystemError(error, 'EPIPE')) {
      return new CommandFailure('the reader of stdout is gone', exitCodes.brokenPipe)
    }
    return fileFailure('write', this.#name(), error)
  }
}

const reasons: Partial<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'a part of the path is not a directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
  ENOSPC: 'no space left on the device',
  EROFS: 'the file system is read-only',
}

export function fileFailure(what: 'read' | 'write', path: string, error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error
  const reason = (isSystemError(error) ? reasons[error.code] : undefined) ?? messageOf(error)
  return new CommandFailure(`cannot ${what} ${path}: ${reason}`)
}
