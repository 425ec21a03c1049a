// How a TypeScript program in ESM uses the installed package.
import type { Readable } from 'node:stream'

import {
  capabilities,
  isSystemError,
  Ring,
  SharedMemory,
  SluiceError,
  type Capabilities,
  type SluiceErrorCode,
  type SystemErrorCode,
} from 'sluice'

const ring: Ring = Ring.create('/types', { capacity: 4096 })
const producer = ring.producer()
const consumer = ring.consumer({ spin: 0 })

export const written: boolean = producer.tryWrite(new Uint8Array(8), 1)
export const message: Promise<Buffer | undefined> = consumer.read({ timeout: 10 })
export const stream: Readable = consumer.createReadStream()
export const known: Capabilities = capabilities()
export const code: SluiceErrorCode = 'ERR_SLUICE_CLOSED'
export const memory: ArrayBuffer = SharedMemory.anonymous({ size: 1 }).buffer

export function codeOf(error: unknown): SluiceErrorCode | SystemErrorCode | undefined {
  return error instanceof SluiceError ? error.code : undefined
}
export function callOf(error: unknown): string | undefined {
  return isSystemError(error, 'ENOENT', 'ECONNREFUSED') ? error.syscall : undefined
}
// @ts-expect-error -- a misspelt code
isSystemError(undefined, 'ENOENTT')

// @ts-expect-error -- the types are there, and not `any`
Ring.create(1)
// @ts-expect-error -- the same of options
Ring.create('/types', { capacty: 4096 })
