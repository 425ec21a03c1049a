import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

import { isSystemError, nodeError, SluiceError } from '../core/errors.js'
import { native } from './native.js'

/** A named object, as {@link SharedMemory.list} tells it. */
export interface SharedMemoryInfo {
  /** With its leading slash. */
  name: string
  /** Bytes. */
  size: number
  /** Permission bits; undefined on Windows. */
  mode: number | undefined
  /** The owner's user id; undefined on Windows. */
  uid: number | undefined
  /** The owner's SID; undefined elsewhere than on Windows. */
  ownerSid: string | undefined
}

// Where glibc and musl keep what shm_open(3) makes.
const directory = '/dev/shm'

export async function listSharedMemory(): Promise<SharedMemoryInfo[]> {
  const objects = native.listMemory === undefined ? await listFiles() : native.listMemory()
  return objects
    .map((object) => ({ mode: undefined, uid: undefined, ownerSid: undefined, ...object }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function cannotList(error: unknown): SluiceError {
  return nodeError(`cannot list shared memory in ${directory}`, 'scandir', error, {
    path: directory,
    hint: isSystemError(error, 'ENOENT') ? 'named memory needs a tmpfs there' : undefined,
  })
}

async function listFiles(): Promise<{ name: string; size: number; mode: number; uid: number }[]> {
  if (process.platform !== 'linux') {
    throw new SluiceError(
      'ERR_SLUICE_UNSUPPORTED',
      `${process.platform} has no way to list shared-memory objects`,
    )
  }
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw cannotList(error)
  })
  const objects = await Promise.all(
    entries
      // glibc's named semaphores live beside the objects.
      .filter((entry) => entry.isFile() && !entry.name.startsWith('sem.'))
      .map(async ({ name }) => {
        try {
          const { size, mode, uid } = await stat(join(directory, name))
          return [{ name: `/${name}`, size, mode: mode & 0o777, uid }]
        } catch {
          return [] // removed since
        }
      }),
  )
  return objects.flat()
}
