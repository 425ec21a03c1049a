/** `sluice nc` through Unix sockets without a connection. */
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { UnixDatagram } from '../../index.js'
import type { Note } from '../notes.js'
import { describeCredentials } from './credentials.js'

/** Writes what comes to standard output, until the signal aborts. */
export async function receiveDatagrams(
  address: string,
  mode: number | undefined,
  signal: AbortSignal,
  note: Note,
): Promise<void> {
  const socket = await UnixDatagram.bind(address, {
    credentials: true,
    ...(mode !== undefined && { mode }),
  })
  try {
    note(`listening on ${address}`)
    for (;;) {
      const { data, from, credentials, fds } = await socket.receive({ signal })
      for (const descriptor of fds) descriptor.close()
      const sender = credentials === undefined ? '' : ` of ${describeCredentials(credentials)}`
      note(`${String(data.length)} bytes from ${from ?? 'a socket without a name'}${sender}`)
      if (!process.stdout.write(data)) await once(process.stdout, 'drain')
    }
  } finally {
    socket.close()
  }
}

/** Each chunk of standard input, which for a person is a line, is a message. */
export async function sendDatagrams(address: string, signal: AbortSignal): Promise<void> {
  const socket = await UnixDatagram.bind()
  try {
    await pipeline(process.stdin as Readable, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) await socket.send(chunk, address, { signal })
    })
  } finally {
    socket.close()
  }
}
