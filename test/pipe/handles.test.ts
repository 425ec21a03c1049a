/** Handles that are sent to the process at the other end of a pipe. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  connectNamedPipe,
  NamedPipeServer,
  Ring,
  SharedMemory,
  SystemHandle,
  type NamedPipeConnection,
} from '../../lib/index.js'
import { longestHeader, messageFrame, parseFrame, takenFrame } from '../../lib/pipe/handle_frame.js'
import { processResources } from '../support/diagnostics.js'
import { Child } from '../support/child.js'
import { peerIsProcess } from '../support/peer_process.js'
import { notUnderWine, onWindows } from '../support/platform.js'
import { connectTo, gone, listen, pipeName, pipePair, quiet } from '../support/pipes.js'
import { eventually } from '../support/resources.js'
import { closedAfterTest, sluiceError, systemFailure } from '../support/rings.js'
import { caughtWarnings } from '../support/warnings.js'
import { revoked } from '../support/wrong_values.js'

const options = { mode: 'message', handles: true } as const

async function pair(): Promise<[NamedPipeConnection, NamedPipeConnection]> {
  peerIsProcess(() => process.pid)
  return pipePair(options, options)
}

function memoryWith(text: string): SharedMemory {
  const memory = closedAfterTest(SharedMemory.anonymous({ size: 4096 }))
  Buffer.from(memory.buffer).write(text)
  return memory
}

const handleCount = () => processResources().handles
const bytes = Buffer.from('x')

/** A client that speaks the format by hand. */
async function byHand(): Promise<[NamedPipeConnection, NamedPipeConnection]> {
  peerIsProcess(() => process.pid)
  const server = await listen(options)
  const [accepted, client] = await Promise.all([
    server.accept(),
    connectTo(server, { mode: 'message' }),
  ])
  return [quiet(closedAfterTest(accepted)), client]
}

describe.skipIf(!onWindows)('handles to another process', () => {
  async function child(role: string): Promise<{ process: Child; connection: NamedPipeConnection }> {
    const name = pipeName()
    let pid = 0
    peerIsProcess(() => pid)
    const server = closedAfterTest(await NamedPipeServer.listen(name, options))
    const started = new Child('handle_peer.mjs', [name, role, process.pid])
    pid = started.pid
    const connection = quiet(closedAfterTest(await server.accept()))
    return { process: started, connection }
  }

  async function answer(connection: NamedPipeConnection): Promise<unknown> {
    return JSON.parse(String((await connection.receive())?.data))
  }

  test('a mapping: both see the same bytes', async () => {
    const { connection } = await child('receive')
    const memory = memoryWith('hello')
    await connection.send(Buffer.from('memory'), { handles: [memory] })
    expect(await answer(connection)).toEqual([['memory', 'hello']])
    expect(Buffer.from(memory.buffer).toString('utf8', 0, 5)).toBe('there')
  })

  test('a ring: what is produced here is consumed there', async () => {
    const { connection } = await child('receive')
    const ring = closedAfterTest(Ring.anonymous({ capacity: 4096 }))
    await connection.send(Buffer.from('ring'), { handles: [ring] })
    const producer = ring.producer()
    let sum = 0
    for (let i = 0; i < 10_000; i++) {
      const message = Buffer.alloc(4)
      message.writeUInt32LE(i)
      await producer.write(message)
      sum += i
    }
    producer.close()
    expect(await answer(connection)).toEqual([['memory', sum]])
  })

  test('a file, from a FileHandle', async () => {
    const { connection } = await child('receive')
    const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
    onTestFinished(() => {
      rmSync(folder, { recursive: true })
    })
    const path = join(folder, 'file')
    writeFileSync(path, 'what the file says')
    const file = await open(path)
    await connection.send(Buffer.from('file'), { handles: [file] })
    await file.close()
    expect(await answer(connection)).toEqual([['file', 'what the file says']])
  })

  test('a pipe', async () => {
    const { connection } = await child('receive')
    const server = await listen()
    const opened = await open(server.address, 'r+')
    const accepted = quiet(closedAfterTest(await server.accept()))
    await connection.send(Buffer.from('pipe'), { handles: [opened] })
    await opened.close()
    expect(await answer(connection)).toEqual([['file', 'written']])
    expect(String((await accepted.receive())?.data)).toBe('through a pipe that was sent')
    expect(await accepted.receive()).toBeUndefined()
  })

  test('a receiver that never takes: bounded, and all closed at the end', async () => {
    const { process: peer, connection } = await child('sleep')
    await peer.next()
    const memory = memoryWith('x')
    const before = handleCount()
    for (let i = 0; i < 4; i++) {
      await connection.send(bytes, { handles: Array<SharedMemory>(16).fill(memory) })
    }
    await expect(connection.send(bytes, { handles: [memory] })).rejects.toEqual(
      sluiceError('ERR_SLUICE_HANDLES_LIMIT'),
    )
    // The connection is none the worse for it.
    await connection.send(bytes)
    expect(handleCount()).toBeGreaterThanOrEqual(before + 64)
    connection.destroy()
    expect(handleCount()).toBeLessThanOrEqual(before)
  })

  test.each(['exits', 'is killed'])('a sender that %s with handles on their way', async (how) => {
    const { process: peer, connection } = await child('send')
    await peer.next()
    if (how === 'exits') peer.say('exit')
    else peer.kill('SIGKILL')
    await peer.exited
    const error = await connection.receive().catch((reason: unknown) => reason)
    expect(error).toEqual(sluiceError('ERR_SLUICE_HANDLES_LOST'))
    expect((error as Error).cause).toEqual(systemFailure({ syscall: 'DuplicateHandle' }))
    expect(connection.destroyed).toBe(true)
  })
})

describe.skipIf(!onWindows)('handles', () => {
  test("come with their message, and are the receiver's own", async () => {
    const [server, client] = await pair()
    const memory = memoryWith('hello')
    await client.send(Buffer.from('one'), { handles: [memory, memory.handle] })
    await client.send(Buffer.from('two'))
    memory.close()
    const message = await server.receive()
    expect(String(message?.data)).toBe('one')
    expect(message?.handles.map((handle) => handle.kind)).toEqual(['memory', 'memory'])
    const [first, second] = message?.handles as [SystemHandle, SystemHandle]
    expect(first.number).not.toBe(second.number)
    const copy = SharedMemory.fromHandle(first.number)
    expect(Buffer.from(copy.buffer).toString('utf8', 0, 5)).toBe('hello')
    copy.close()
    first.close()
    second.close()
    expect(await server.receive()).toEqual({ data: Buffer.from('two'), handles: [] })
  })

  test('can come without bytes', async () => {
    const [server, client] = await pair()
    await client.send(Buffer.alloc(0), { handles: [memoryWith('x')] })
    const message = await server.receive()
    expect(message?.data.length).toBe(0)
    expect(message?.handles.length).toBe(1)
    message?.handles[0]?.close()
  })

  test('come just before their message while the stream is read', async () => {
    const [server, client] = await pair()
    const seen: string[] = []
    server.on('handles', (handles: SystemHandle[]) => {
      seen.push(`${String(handles.length)} handles`)
      for (const handle of handles) handle.close()
    })
    server.on('data', (data: Buffer) => seen.push(String(data)))
    client.write('written')
    await client.send(Buffer.from('sent'), { handles: [memoryWith('x')] })
    client.write('after')
    await eventually(() => seen.length === 4)
    expect(seen).toEqual(['written', '1 handles', 'sent', 'after'])
  })

  test('that nobody listens for while the stream is read are closed', async () => {
    const [server, client] = await pair()
    const memory = memoryWith('x')
    server.resume()
    await client.send(bytes, { handles: [memory] })
    await eventually(() => server.bytesRead === client.bytesWritten)
    const before = handleCount()
    for (let i = 0; i < 100; i++) {
      await client.send(bytes, { handles: [memory] })
      await eventually(() => server.bytesRead === client.bytesWritten)
    }
    await eventually(() => handleCount() <= before + 2)
  })

  test(
    '10,000 are passed, and the number of open ones stays flat',
    { timeout: 300_000 },
    async () => {
      const [server, client] = await pair()
      const memory = memoryWith('x')
      let before = 0
      for (let round = 0; round < 1250; round++) {
        await client.send(bytes, { handles: Array<SharedMemory>(8).fill(memory) })
        for (const handle of (await server.receive())?.handles ?? []) handle.close()
        if (round === 20) before = handleCount()
      }
      // The handles of the last messages may not be known to be taken yet.
      await eventually(() => handleCount() <= before + 8)
    },
  )

  test('the sender learns what was taken without receiving itself, and loses no message', async () => {
    const [server, client] = await pair()
    const memory = memoryWith('x')
    for (let i = 0; i < 10; i++) await server.send(Buffer.from(`back ${String(i)}`))
    for (let round = 0; round < 30; round++) {
      for (;;) {
        const sent = await client
          .send(bytes, { handles: Array<SharedMemory>(16).fill(memory) })
          .then(
            () => true,
            () => false,
          )
        if (sent) break
        // Full: what is in the way of the answers is the client's to receive.
        const message = await client.receive({ timeout: 1000 }).catch(() => undefined)
        if (message !== undefined) expect(String(message.data)).toMatch(/^back/)
      }
      for (const handle of (await server.receive())?.handles ?? []) handle.close()
    }
  })

  test('the end is not seen before what came ahead of it', async () => {
    const [server, client] = await pair()
    await client.send(bytes, { handles: [memoryWith('x')] })
    for (const text of ['a', 'b', 'c']) await server.send(Buffer.from(text))
    const got = await server.receive()
    for (const handle of got?.handles ?? []) handle.close()
    server.end()
    await eventually(() => client.bytesRead > 0)
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    const texts: string[] = []
    for (let message; (message = await client.receive()) !== undefined;) {
      texts.push(String(message.data))
    }
    expect(texts).toEqual(['a', 'b', 'c'])
  })

  test('the last message is received, and not the end in its place', async () => {
    const [server, client] = await pair()
    // The client reads ahead, for an answer.
    await client.send(bytes, { handles: [memoryWith('x')] })
    const receiving = client.receive()
    const sending = server.send(Buffer.from('last')).catch(() => undefined)
    server.destroy()
    expect(String((await receiving)?.data)).toBe('last')
    expect(await client.receive()).toBeUndefined()
    await sending
  })

  test('of a message that was not received are closed with the connection', async () => {
    const [server, client] = await pair()
    const before = handleCount()
    const stop = new AbortController()
    const receiving = server.receive({ signal: stop.signal }).catch(() => undefined)
    stop.abort()
    await client.send(bytes, { handles: [memoryWith('x')] })
    const received = await receiving
    received?.handles[0]?.close()
    server.destroy()
    client.destroy()
    await Promise.all([gone(server), gone(client)])
    await eventually(() => handleCount() <= before)
  })

  test('that were read ahead and never received are closed with the connection', async () => {
    const [server, client] = await byHand()
    const memory = memoryWith('x')
    const before = handleCount()
    // The server reads ahead, for an answer that does not come.
    await server.send(bytes, { handles: [memory] })
    for (let id = 1; id <= 3; id++) {
      await client.send(messageFrame(id, Array<number>(16).fill(memory.handle), bytes))
    }
    await eventually(() => server.bytesRead === client.bytesWritten)
    expect(handleCount()).toBeGreaterThanOrEqual(before + 48)
    server.destroy()
    client.destroy()
    await Promise.all([gone(server), gone(client)])
    expect(handleCount()).toBeLessThanOrEqual(before)
  })

  test('a sender that waits for an answer reads only so far ahead', async () => {
    const [server, client] = await pair()
    await client.send(bytes, { handles: [memoryWith('x')] })
    for (let i = 0; i < 100; i++) await server.send(Buffer.from([i]))
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    expect(client.bytesRead).toBeGreaterThan(0)
    expect(client.bytesRead).toBeLessThanOrEqual(4 * messageFrame(0, [], bytes).length)
    for (let i = 0; i < 100; i++) expect((await client.receive())?.data).toEqual(Buffer.from([i]))
  })

  test('a cancelled send leaves no duplicates behind', async () => {
    const [, client] = await pair()
    const memory = memoryWith('x')
    const large = client.send(Buffer.alloc(10_000_000)).catch(() => undefined)
    const before = handleCount()
    for (let i = 0; i < 100; i++) {
      const stop = new AbortController()
      const sending = client.send(bytes, { handles: [memory], signal: stop.signal })
      stop.abort(new Error('no'))
      await expect(sending).rejects.toThrow('no')
    }
    expect(handleCount()).toBeLessThanOrEqual(before)
    client.destroy()
    await large
  })

  test('one that is forgotten is closed by the garbage collector, with a warning', async () => {
    const memory = memoryWith('x')
    const warnings = caughtWarnings()
    const number = (() => SystemHandle.duplicate(memory.handle).number)()
    await eventually(() => warnings.length > 0)
    expect(warnings[0]?.message).toContain(`SystemHandle ${String(number)}`)
  })

  test('a SystemHandle is adopted, duplicated, detached and closed', () => {
    const memory = memoryWith('x')
    const handle = SystemHandle.duplicate(memory.handle)
    const copy = handle.dup()
    expect(copy.number).not.toBe(handle.number)
    const number = handle.detach()
    expect(handle.closed).toBe(true)
    expect(() => handle.number).toThrow(sluiceError('ERR_SLUICE_CLOSED'))
    const adopted = SystemHandle.adopt(number)
    expect(adopted.kind).toBe('memory')
    // Otherwise it would be closed twice, the second time perhaps as somebody else's.
    expect(() => SystemHandle.adopt(number)).toThrow(sluiceError('ERR_SLUICE_INVALID_STATE'))
    adopted.close()
    adopted.close()
    copy[Symbol.dispose]()
    expect(() => SystemHandle.adopt(number)).toThrow(
      sluiceError('EBADF', { win32: 'ERROR_INVALID_HANDLE' }),
    )
  })
})

describe.skipIf(!onWindows)('a hostile peer of a connection with handles', () => {
  test('names a handle that it does not have', async () => {
    const [server, client] = await byHand()
    await client.send(messageFrame(1, [0x7ffffff0], bytes))
    const error = await server.receive().catch((reason: unknown) => reason)
    expect(error).toEqual(sluiceError('ERR_SLUICE_HANDLES_LOST'))
    expect((error as Error).cause).toEqual(
      sluiceError('EBADF', {
        syscall: 'DuplicateHandle',
        win32: 'ERROR_INVALID_HANDLE',
      }),
    )
    await gone(server)
  })

  test('names one that it has and one that it has not: nothing is taken', async () => {
    const [server, client] = await byHand()
    const memory = memoryWith('x')
    const before = handleCount()
    await client.send(messageFrame(1, [memory.handle, 0x7ffffff0], bytes))
    await expect(server.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_HANDLES_LOST'))
    expect(handleCount()).toBeLessThanOrEqual(before)
  })

  const good = messageFrame(1, [4], bytes)
  const changed = (offset: number, value: number) => {
    const frame = Buffer.from(good)
    frame.writeUInt8(value, offset)
    return frame
  }
  const pseudo = Buffer.from(good)
  pseudo.writeBigInt64LE(-1n, 12)
  test.each([
    ['bytes without a header', Buffer.from('hello')],
    ['a header of another format', changed(0, 0)],
    ['an unknown kind', changed(4, 2)],
    ['more handles than there are', changed(5, 3)],
    ['too many handles', Buffer.concat([changed(5, 255), Buffer.alloc(2048)])],
    ['a header that is cut off', good.subarray(0, 15)],
    ['a pseudo-handle', pseudo],
    ['a handle of zero', messageFrame(1, [0], bytes)],
    ['a handle that the kernel would round', messageFrame(1, [5], bytes)],
    ['a message with handles and no number', messageFrame(0, [4], bytes)],
    ['an answer to nothing', takenFrame(7)],
    ['an answer with bytes', Buffer.concat([takenFrame(7), bytes])],
  ])('sends %s: the connection ends', async (_what, frame) => {
    const [server, client] = await byHand()
    await client.send(frame)
    await expect(server.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_CORRUPT'))
    await gone(server)
  })

  test('sends handles and never reads the answers: they are bounded', async () => {
    const [server, client] = await byHand()
    // The server's answers have nowhere to go once the system's buffer is full.
    const blocking = server.send(Buffer.alloc(1_000_000)).catch(() => undefined)
    const memory = memoryWith('x')
    const flooding = (async () => {
      for (let id = 1; id < 1000; id++) await client.send(messageFrame(id, [memory.handle], bytes))
    })().catch(() => undefined)
    let received = 0
    const error = await (async () => {
      for (;;) {
        const message = await server.receive()
        received++
        for (const handle of message?.handles ?? []) handle.close()
      }
    })().catch((reason: unknown) => reason)
    expect(error).toEqual(sluiceError('ERR_SLUICE_HANDLES_LIMIT'))
    expect(received).toBe(64)
    await Promise.all([blocking, flooding])
  })

  test('100,000 random messages: each is refused or well-formed', () => {
    for (let round = 0; round < 100_000; round++) {
      const frame = Buffer.from(good)
      for (let i = Math.floor(Math.random() * 4); i >= 0; i--) {
        frame.writeUInt8(Math.floor(Math.random() * 256), Math.floor(Math.random() * frame.length))
      }
      const parsed = parseFrame(frame.subarray(0, Math.floor(Math.random() * (frame.length + 1))))
      if (parsed === undefined || parsed.taken) continue
      for (const handle of parsed.handles) {
        expect(handle % 4 === 0 && handle > 0 && handle < 2 ** 31).toBe(true)
      }
    }
    expect(messageFrame(1, Array<number>(16).fill(4), bytes).length).toBe(longestHeader + 1)
  })

  notUnderWine('Wine has one user')('handles of a peer that is not known are refused', async () => {
    const server = await listen(options)
    const [accepted, client] = await Promise.all([
      server.accept(),
      connectTo(server, { ...options, impersonation: 'anonymous' }),
    ])
    quiet(closedAfterTest(accepted))
    await client.send(bytes, { handles: [memoryWith('x')] })
    await expect(accepted.receive()).rejects.toEqual(sluiceError('ERR_SLUICE_UNTRUSTED_OWNER'))
  })
})

describe.skipIf(!onWindows)('handles: wrong input', () => {
  test('need both ends to have asked for them', async () => {
    const [server] = await pipePair({ mode: 'message' })
    await expect(server.send(bytes, { handles: [memoryWith('x')] })).rejects.toEqual(
      sluiceError('ERR_SLUICE_INVALID_STATE'),
    )
  })

  test('need messages', () => {
    const invalid = sluiceError('ERR_SLUICE_INVALID_ARGUMENT')
    expect(() => connectNamedPipe('x', { handles: true })).toThrow(invalid)
    expect(() => connectNamedPipe('x', { mode: 'byte', handles: true })).toThrow(invalid)
    expect(() => connectNamedPipe('x', { mode: 'message', handles: 1 as never })).toThrow(invalid)
  })

  test.each([
    ['no array', 7],
    ['17 of them', Array<number>(17).fill(4)],
    ['zero', [0]],
    ['negative', [-1]],
    ['a fraction', [4.5]],
    ['text', ['4']],
    ['nothing', [undefined]],
    ['an object without', [{}]],
    ['a hole', Array<unknown>(1)],
    ['a revoked proxy', revoked([])],
    ['an array with one', [revoked({})]],
  ])('%s', async (_what, handles) => {
    const [server] = await pair()
    expect(() => server.send(bytes, { handles: handles as never })).toThrow(
      sluiceError('ERR_SLUICE_INVALID_ARGUMENT'),
    )
  })

  test('a number that is no handle', async () => {
    const [server, client] = await pair()
    const before = handleCount()
    await expect(server.send(bytes, { handles: [memoryWith('x'), 0x7ffffff0] })).rejects.toEqual(
      sluiceError('EBADF', {
        syscall: 'DuplicateHandle',
        win32: 'ERROR_INVALID_HANDLE',
      }),
    )
    expect(handleCount()).toBeLessThanOrEqual(before + 1) // the memory's own
    await server.send(bytes)
    expect((await client.receive())?.data).toEqual(bytes)
  })

  test('a closed one', async () => {
    const [server] = await pair()
    const handle = SystemHandle.duplicate(memoryWith('x').handle)
    handle.close()
    expect(() => server.send(bytes, { handles: [handle] })).toThrow(
      sluiceError('ERR_SLUICE_CLOSED'),
    )
  })
})
