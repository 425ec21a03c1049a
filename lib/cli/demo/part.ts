/** The work of the two child processes of the demo, one order after the other. */
import { createHash } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'

import { messageOf } from '../failure.js'
import { transports, type TransportName } from './transports.js'

/** From the parent. A piece is what is transferred in one go. */
export type Order =
  { what: 'prepare'; offset: number; length: number } | { what: 'transfer' } | { what: 'digest' }

/** A child's answers: to its start and to 'prepare' `ready`, to the others what they ask for. */
export type Report =
  | { what: 'ready' }
  | { what: 'transferred'; at: string } // nanoseconds of the machine's monotonic clock
  | { what: 'digest'; sha256: string }
  | { what: 'progress'; bytes: number }
  | { what: 'failed'; message: string }

type Player = (order: Order) => Promise<Report>

const progressMs = 100

export async function playPart(
  part: 'send' | 'receive',
  transport: TransportName,
  address: string,
  file: string,
): Promise<void> {
  const parentLeft = new Promise<void>((resolve) => process.once('disconnect', resolve))
  try {
    const player = await (part === 'send'
      ? sender(transport, address, file)
      : receiver(transport, address))
    process.on('message', (order: Order) => {
      player(order).then(report, fail)
    })
    report({ what: 'ready' })
  } catch (error) {
    fail(error)
  }
  await parentLeft
}

async function sender(transport: TransportName, address: string, file: string): Promise<Player> {
  const end = await transports[transport].sender(address)
  const source = await open(file)
  let piece = Buffer.alloc(0)
  let hash = createHash('sha256')
  return async (order) => {
    switch (order.what) {
      case 'prepare':
        if (piece.byteLength !== order.length) piece = Buffer.alloc(order.length)
        await readFully(source, piece, order.offset)
        hash.update(piece)
        return { what: 'ready' }
      case 'transfer': {
        const at = now()
        await end.send(piece)
        return { what: 'transferred', at }
      }
      case 'digest': {
        const sha256 = hash.digest('hex')
        hash = createHash('sha256')
        return { what: 'digest', sha256 }
      }
    }
  }
}

async function receiver(transport: TransportName, address: string): Promise<Player> {
  const end = await transports[transport].receiver(address)
  let piece = Buffer.alloc(0)
  let hash = createHash('sha256')
  let before = 0
  return async (order) => {
    switch (order.what) {
      case 'prepare':
        // Filled, so that the kernel has given every page before the clock runs.
        if (piece.byteLength !== order.length) piece = Buffer.alloc(order.length, 1)
        return { what: 'ready' }
      case 'transfer': {
        let received = 0
        const timer = setInterval(() => {
          report({ what: 'progress', bytes: before + received })
        }, progressMs)
        await end.receive(piece, (bytes) => {
          received = bytes
        })
        const at = now()
        clearInterval(timer)
        before += received
        if (process.env['SLUICE_DEMO_CORRUPT'] === transport) piece[0] ^= 1
        hash.update(piece)
        return { what: 'transferred', at }
      }
      case 'digest': {
        const sha256 = hash.digest('hex')
        hash = createHash('sha256')
        return { what: 'digest', sha256 }
      }
    }
  }
}

async function readFully(file: FileHandle, target: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < target.byteLength;) {
    const { bytesRead } = await file.read(target, done, target.byteLength - done, offset + done)
    if (bytesRead === 0) throw new Error('the file has become shorter')
    done += bytesRead
  }
}

function now(): string {
  return process.hrtime.bigint().toString()
}

function report(report: Report): void {
  process.send?.(report)
}

function fail(error: unknown): void {
  report({ what: 'failed', message: messageOf(error) })
}
