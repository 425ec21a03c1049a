import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { finished } from 'node:stream/promises'

import { addressOf, isAddress } from './addresses.js'
import { CommandFailure, exitCodes } from './failure.js'
import { abortAtSignals } from './interruption.js'
import { openAddress } from './nc/address.js'
import { openNamedPipe } from './nc/named_pipe.js'
import type { NcOptions, Open } from './nc/transport.js'
import { receiveDatagrams, sendDatagrams } from './nc/unix_datagrams.js'
import { openUnixSocket } from './nc/unix_socket.js'
import { notesOf } from './notes.js'
import { watchStdout } from './stdout.js'

export type { NcOptions } from './nc/transport.js'

/** `sluice nc`: standard input to a socket or pipe, and what comes from there to standard output. */
export async function nc(target: string, options: NcOptions): Promise<void> {
  const { kind, address } = parseTarget(target)
  requireConsistent(kind, address, options)
  const stop = new AbortController()
  const { signal } = stop
  abortAtSignals(stop)
  const note = notesOf('nc', options.verbose !== true)
  try {
    if (options.datagram !== true) {
      const wait = { signal, timeout: options.timeout }
      await exchange(await open[kind](address, options, wait, note), signal)
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

type Kind = 'unix' | 'named pipe' | 'other'

const open: Record<Kind, Open> = {
  unix: openUnixSocket,
  'named pipe': openNamedPipe,
  other: openAddress,
}

/** An address of `connect`; `/path`, `@name` and `\\.\pipe\name` without a scheme. */
function parseTarget(target: string): { kind: Kind; address: string } {
  if (/^\\\\\.\\pipe\\/i.test(target)) return { kind: 'named pipe', address: target }
  if (!isAddress(target)) return { kind: 'unix', address: target }
  const address = addressOf(target)
  if (address.transport === 'unix') return { kind: 'unix', address: target.slice('unix:'.length) }
  if (address.transport === 'pipe' && process.platform === 'win32') {
    return { kind: 'named pipe', address: address.name }
  }
  return { kind: 'other', address: target }
}

function requireConsistent(kind: Kind, address: string, options: NcOptions): void {
  const { seqpacket, datagram, message, security, owner, mode } = options
  if (seqpacket === true && datagram === true) {
    throw new CommandFailure('a socket is of one type: --seqpacket or --datagram', exitCodes.usage)
  }
  if (kind !== 'unix' && (seqpacket === true || datagram === true)) {
    throw new CommandFailure('--seqpacket and --datagram are for Unix sockets', exitCodes.usage)
  }
  if (mode !== undefined && (kind !== 'unix' || address.startsWith('@'))) {
    throw new CommandFailure('--mode is for paths', exitCodes.usage)
  }
  const hasPipeOption = message === true || security !== undefined || owner !== undefined
  if (kind !== 'named pipe' && hasPipeOption) {
    throw new CommandFailure(
      '--message, --security and --owner are for pipes of Windows',
      exitCodes.usage,
    )
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
