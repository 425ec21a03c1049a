import * as workers from 'node:worker_threads'

const slabSize = 65536

/** Memory for what is read, handed out in slices: many small reads share one allocation. */
export class Slab {
  buffer = Buffer.alloc(0)
  offset = 0

  /** Makes sure that there is room for `minimum` bytes; returns how much there is. */
  room(minimum: number): number {
    const room = this.buffer.length - this.offset
    if (room >= minimum) return room
    // Not zeroed: only what the kernel has filled is ever seen.
    this.buffer = Buffer.allocUnsafeSlow(Math.max(slabSize, minimum))
    this.offset = 0
    keepHere(this.buffer.buffer)
    return this.buffer.length
  }

  take(length: number): Buffer {
    const piece = this.piece(0, length)
    // The next piece begins at a multiple of 8, so that it can be seen as any typed array.
    this.offset = Math.min((this.offset + length + 7) & ~7, this.buffer.length)
    return piece
  }

  /** A part of what is to be taken next: of so many bytes, from this one on. */
  piece(from: number, length: number): Buffer {
    return bufferOver(this.buffer, this.offset + from, length)
  }
}

type Constructor = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer
const { [Symbol.species]: species } = Buffer as unknown as { [Symbol.species]?: Constructor }

/** What `subarray` makes, which takes Node more than twice the time. */
const bufferOver =
  species === undefined || (species as unknown) === Buffer
    ? (buffer: Buffer, offset: number, length: number) => buffer.subarray(offset, offset + length)
    : (buffer: Buffer, offset: number, length: number) =>
        new species(buffer.buffer, buffer.byteOffset + offset, length)

/** Whoever transferred it to another thread would take what others have read with it. */
function keepHere(memory: ArrayBufferLike): void {
  // Not every runtime has it.
  const { markAsUntransferable } = workers as Partial<typeof workers>
  markAsUntransferable?.(memory)
}

/** This thread's. */
export const slab = new Slab()
