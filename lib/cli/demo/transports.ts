/** The two ways from process to process, doing the same work. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

import { Ring } from '../../index.js'

/** The number of the descriptor that the parent process hands down: a ring's. */
export const ringDescriptor = 4
export const ringCapacity = 2 ** 22

/** Bytes of a write, and at most of a read. */
const chunkSize = 65536

export interface SendingEnd {
  send: (bytes: Buffer) => Promise<void>
}

export interface ReceivingEnd {
  /** Fills `target`, then resolves; `progress` is told how much there is so far. */
  receive: (target: Buffer, progress: (bytes: number) => void) => Promise<void>
}

export interface Transport {
  title: string
  /** Resolves when a receiver may connect. */
  sender: (address: string) => Promise<SendingEnd>
  receiver: (address: string) => Promise<ReceivingEnd>
}

export type TransportName = 'ring' | 'socket'

export const transports: Record<TransportName, Transport> = {
  ring: { title: 'sluice ring', sender: ringSender, receiver: ringReceiver },
  socket: { title: 'net, Unix socket', sender: socketSender, receiver: socketReceiver },
}

function ringSender(): Promise<SendingEnd> {
  const producer = Ring.fromFd(ringDescriptor).producer()
  return Promise.resolve({
    async send(bytes) {
      for (let start = 0; start < bytes.byteLength; start += chunkSize) {
        const chunk = bytes.subarray(start, start + chunkSize)
        if (!producer.tryWrite(chunk)) await producer.write(chunk)
      }
    },
  })
}

function ringReceiver(): Promise<ReceivingEnd> {
  const consumer = Ring.fromFd(ringDescriptor).consumer()
  return Promise.resolve({
    async receive(target, progress) {
      let received = 0
      await consumer.consume((message) => {
        target.set(message, received)
        received += message.byteLength
        progress(received)
        return received < target.byteLength
      })
    },
  })
}

async function socketSender(path: string): Promise<SendingEnd> {
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const connection = once(server, 'connection') as Promise<[Socket]>
  return {
    async send(bytes) {
      const [socket] = await connection
      for (let start = 0; start < bytes.byteLength; start += chunkSize) {
        const chunk = bytes.subarray(start, start + chunkSize)
        if (!socket.write(chunk)) await once(socket, 'drain')
      }
    },
  }
}

async function socketReceiver(path: string): Promise<ReceivingEnd> {
  let arrived: (bytes: Uint8Array) => void = () => undefined
  let failed: (reason: Error) => void = () => undefined
  const socket = connect({
    path,
    // Without a buffer of one's own, net makes a new one for every read, and is slower.
    onread: {
      buffer: Buffer.alloc(chunkSize),
      callback: (count, buffer) => {
        arrived(buffer.subarray(0, count))
        return true
      },
    },
  })
  await once(socket, 'connect')
  socket.on('error', (error) => {
    failed(error)
  })
  return {
    receive(target, progress) {
      return new Promise((resolve, reject) => {
        failed = reject
        let received = 0
        arrived = (bytes) => {
          target.set(bytes, received)
          received += bytes.byteLength
          progress(received)
          if (received === target.byteLength) resolve()
        }
      })
    },
  }
}
