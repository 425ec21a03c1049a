import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'

import { CommandFailure, exitCodes } from './failure.js'
import { abortAtSignals } from './interruption.js'
import { openNamedPipe } from './nc/named_pipe.js'
import type { NcOptions } from './nc/transport.js'
import { receiveDatagrams, sendDatagrams } from './nc/unix_datagrams.js'
import { openUnixSocket } from './nc/unix_socket.js'
import { notesOf } from './notes.js'
import { watchStdout } from './stdout.js'

export type { NcOptions } from './nc/transport.js'

/** `sluice nc`: standard input to a socket or pipe, and what comes from there to standard output. */
export async function nc(target: string, options: NcOptions): Promise<void> {
  const { isPipe, address } = parseTarget(target)
  requireConsistent(isPipe, address, options)
  const stop = new AbortController()
  const { signal } = stop
  abortAtSignals(stop)
  const note = notesOf('nc', options.verbose !== true)
  try {
    if (options.datagram !== true) {
      const open = isPipe ? openNamedPipe : openUnixSocket
      const wait = { signal, timeout: options.timeout }
      await exchange(await open(address, options, wait, note), signal)
    } else if (options.listen === true) {
      const unwatch = watchStdout((failure) => {
        stop.abort(failure)
      })
      await receiveDatagrams(address, options.mode, signal, note).finally(unwatch)
    } else {
      await sendDatagrams(address, signal)
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

/** `pipe:name` and `\\.\pipe\name`; `unix:/path` and `unix:@name`, where the prefix may be left out. */
function parseTarget(target: string): { isPipe: boolean; address: string } {
  if (target.startsWith('pipe:')) return { isPipe: true, address: target.slice('pipe:'.length) }
  if (/^\\\\\.\\pipe\\/i.test(target)) return { isPipe: true, address: target }
  return { isPipe: false, address: target.replace(/^unix:/, '') }
}

function requireConsistent(isPipe: boolean, address: string, options: NcOptions): void {
  const { seqpacket, datagram, message, security, owner, mode } = options
  if (seqpacket === true && datagram === true) {
    throw new CommandFailure('a socket is of one type: --seqpacket or --datagram', exitCodes.usage)
  }
  if (isPipe && (seqpacket === true || datagram === true)) {
    throw new CommandFailure('--seqpacket and --datagram are for Unix sockets', exitCodes.usage)
  }
  if (mode !== undefined && (isPipe || address.startsWith('@'))) {
    throw new CommandFailure('--mode is for paths', exitCodes.usage)
  }
  if (!isPipe && (message === true || security !== undefined || owner !== undefined)) {
    throw new CommandFailure('--message, --security and --owner are for pipes', exitCodes.usage)
  }
}

async function exchange(connection: Duplex, signal: AbortSignal): Promise<void> {
  const abort = () => connection.destroy(signal.reason as Error)
  signal.addEventListener('abort', abort)
  const unwatch = watchStdout((failure) => connection.destroy(failure))
  // A peer that has closed takes nothing more: standard input is not waited for then.
  connection.on('end', () => {
    process.stdin.unpipe(connection)
    process.stdin.destroy()
    connection.end()
  })
  try {
    process.stdin.pipe(connection)
    connection.pipe(process.stdout)
    await finished(connection)
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  } finally {
    unwatch()
    signal.removeEventListener('abort', abort)
    connection.destroy()
  }
}
