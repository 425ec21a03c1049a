/**
 * Takes hold of shared memory that another process has open, and reads its beginning.
 *
 * The other process may be hostile: one in a container can be this user's, too. It can put anything in the
 * place of a descriptor whose link was just read, such as a FIFO or a file whose own program never
 * answers. Hence the object is pinned first (O_PATH does nothing to it), asked for the mount that it is on,
 * which the kernel alone answers, and touched only where memory lies: there nobody else answers either.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'

import { Ring } from '../../index.js'
import { ifThere, readText } from './proc.js'

/** open(2)'s flag; Node has no name for it. */
const pathOnly = 0o10000000
const longestInfo = 2 ** 16

export interface MemoryObject {
  readonly dev: bigint
  readonly ino: bigint
  /** Bytes. */
  readonly size: number
  /** The first bytes, zeros behind the end; undefined when this user may not read it. */
  read(length: number): ArrayBuffer | undefined
}

/** The number of the mount where memory without a name lies, which is no part of the tree of files. */
export function namelessMount(): string | undefined {
  const ring = Ring.anonymous({ capacity: 4096 })
  try {
    return mountOf(ring.fd)
  } finally {
    ring.close()
  }
}

/** Calls `use` while the object is held; undefined when there is none, or it is no shared memory. */
export function withMemory<T>(
  path: string,
  isMemory: (mount: string) => boolean,
  use: (object: MemoryObject) => T,
): T | undefined {
  return ifThere(() =>
    pinned(path, (pin) => {
      if (!isMemory(mountOf(pin) ?? '')) return undefined
      const status = fstatSync(pin, { bigint: true })
      if (!status.isFile()) return undefined
      const { dev, ino, size } = status
      return use({ dev, ino, size: Number(size), read: (length) => readBeginning(pin, length) })
    }),
  )
}

function pinned<T>(path: string, use: (pin: number) => T): T {
  const pin = openSync(path, pathOnly)
  try {
    return use(pin)
  } finally {
    closeSync(pin)
  }
}

function mountOf(descriptor: number): string | undefined {
  const info = readText(`/proc/self/fdinfo/${String(descriptor)}`, longestInfo)
  return /^mnt_id:\s*(\d+)$/m.exec(info)?.[1]
}

function readBeginning(pin: number, length: number): ArrayBuffer | undefined {
  return ifThere(() => {
    const { O_RDONLY, O_NONBLOCK } = constants
    const file = openSync(`/proc/self/fd/${String(pin)}`, O_RDONLY | O_NONBLOCK)
    try {
      const bytes = new Uint8Array(length)
      readSync(file, bytes, 0, length, 0)
      return bytes.buffer
    } finally {
      closeSync(file)
    }
  })
}
