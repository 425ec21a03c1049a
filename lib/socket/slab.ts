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
    const start = this.offset
    // The next piece begins at a multiple of 8, so that it can be seen as any typed array.
    this.offset = Math.min((start + length + 7) & ~7, this.buffer.length)
    return this.buffer.subarray(start, start + length)
  }
}

/** Whoever transferred it to another thread would take what others have read with it. */
function keepHere(memory: ArrayBufferLike): void {
  // Not every runtime has it.
  const { markAsUntransferable } = workers as Partial<typeof workers>
  markAsUntransferable?.(memory)
}

/** This thread's. */
export const slab = new Slab()
