/**
 * The layout of a message on a connection that carries handles.
 *
 *     0   'SLH1'
 *     4   u8   0: a message; 1: the handles of a message were taken
 *     5   u8   how many handles
 *     6   u16  0
 *     8   u32  the message's number among those with handles; 0 for one without
 *     12  u64  each handle, as a number of the sender's
 *     ..  the bytes
 *
 * All numbers are little-endian.
 */
import { largestHandle } from './system_handle.js'

const magic = 0x31484c53 // 'SLH1'
const fixedLength = 12

/** With one message. */
export const mostHandles = 16
export const longestHeader = fixedLength + 8 * mostHandles

export type Frame =
  | { taken: false; id: number; handles: readonly number[]; data: Buffer }
  | { taken: true; id: number }

export function messageFrame(id: number, handles: readonly number[], data: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(fixedLength + 8 * handles.length + data.byteLength)
  writeFixed(frame, 0, handles.length, id)
  handles.forEach((handle, index) => {
    frame.writeBigUInt64LE(BigInt(handle), fixedLength + 8 * index)
  })
  frame.set(data, fixedLength + 8 * handles.length)
  return frame
}

export function takenFrame(id: number): Buffer {
  const frame = Buffer.allocUnsafe(fixedLength)
  writeFixed(frame, 1, 0, id)
  return frame
}

/** Undefined: no peer that follows the format has sent this. */
export function parseFrame(bytes: Buffer): Frame | undefined {
  if (bytes.length < fixedLength || bytes.readUInt32LE(0) !== magic) return undefined
  const [kind = 0, count = 0] = bytes.subarray(4, 6)
  const id = bytes.readUInt32LE(8)
  const header = fixedLength + 8 * count
  if (bytes.readUInt16LE(6) !== 0 || count > mostHandles || bytes.length < header) return undefined
  if (kind === 1) {
    return count === 0 && id !== 0 && bytes.length === header ? { taken: true, id } : undefined
  }
  if (kind !== 0 || (count === 0) !== (id === 0)) return undefined
  const handles: number[] = []
  for (let offset = fixedLength; offset < header; offset += 8) {
    const handle = Number(bytes.readBigUInt64LE(offset))
    // The kernel overlooks the two lowest bits, and takes large numbers for this process or thread.
    if (handle === 0 || handle > largestHandle || handle % 4 !== 0) return undefined
    handles.push(handle)
  }
  return { taken: false, id, handles, data: bytes.subarray(header) }
}

function writeFixed(frame: Buffer, kind: number, count: number, id: number): void {
  frame.writeUInt32LE(magic, 0)
  frame.writeUInt8(kind, 4)
  frame.writeUInt8(count, 5)
  frame.writeUInt16LE(0, 6)
  frame.writeUInt32LE(id, 8)
}
