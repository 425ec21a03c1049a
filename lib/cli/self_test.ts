/**
 * Proves that rings work here: messages go to a child process and come back, through one ring
 * with a name and one without (on Windows, where nothing is inherited, both have a name).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

import { Ring } from '../index.js'

const messages = 1000
const timeoutMs = 10_000
const inheritedDescriptor = 3
const inherits = process.platform !== 'win32'

export interface SelfTestResult {
  messages: number
  milliseconds: number
}

export async function selfTest(): Promise<SelfTestResult> {
  const started = performance.now()
  const name = `/sluice-doctor-${String(process.pid)}`
  const outward = Ring.create(name, { capacity: 65536 })
  const homewardName = `${name}-homeward`
  const homeward = inherits
    ? Ring.anonymous({ capacity: 65536 })
    : Ring.create(homewardName, { capacity: 65536 })
  // Not the CLI's own arguments: this process may have been started with any.
  const args = [process.argv[1] ?? '', 'echo', name, ...(inherits ? [] : [homewardName])]
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'inherit', ...(inherits ? [homeward.fd] : [])],
  })
  try {
    const exited = once(child, 'exit')
    const producer = outward.producer()
    const writing = writeAll((bytes) => producer.write(bytes, { timeout: timeoutMs })).then(() => {
      producer.close()
    })
    const consumer = homeward.consumer()
    for (let count = 0; count < messages; count++) {
      const message = await consumer.read({ timeout: timeoutMs })
      if (message?.equals(testMessage(count)) !== true) {
        throw new Error(`message ${String(count)} came back changed`)
      }
    }
    await writing
    const [code] = (await exited) as [number | null]
    if (code !== 0) throw new Error(`the child process ended with ${String(code)}`)
    return { messages, milliseconds: performance.now() - started }
  } finally {
    child.kill()
    outward.unlink()
    outward.close()
    homeward.close()
  }
}

/** The child's part; without a name for the way back that ring is inherited. */
export async function echo(name: string, homeward?: string): Promise<void> {
  const source = Ring.open(name)
  const target = homeward === undefined ? Ring.fromFd(inheritedDescriptor) : Ring.open(homeward)
  const producer = target.producer()
  for await (const message of source.consumer()) {
    await producer.write(message, { timeout: timeoutMs })
  }
  target.close()
  source.close()
}

async function writeAll(write: (bytes: Buffer) => Promise<void>): Promise<void> {
  for (let count = 0; count < messages; count++) await write(testMessage(count))
}

function testMessage(count: number): Buffer {
  return Buffer.alloc((count * 37) % 5000, `message ${String(count)};`)
}
