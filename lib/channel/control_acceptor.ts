/** The listening side of control connections: a Unix socket, on Windows a named pipe. */
import { own, ownSome } from '../core/own.js'
import { prepareToListenOnPipe } from '../pipe/listening_pipe.js'
import { prepareToListen } from '../socket/listening.js'
import { removeNameAtExit } from '../socket/names_at_exit.js'
import { UnixAcceptor } from '../socket/unix_acceptor.js'
import type { BindOptions } from '../socket/listen_options.js'
import type { PipeSecurity } from '../pipe/security.js'
import type { Acceptor } from '../transport/acceptor.js'
import type { ControlConnection } from './control.js'
import { mostAtOnce, type ChannelOptions } from './options.js'

/** How {@link ChannelServer.listen} takes the name, as the platform has it. */
export interface ControlOptions extends BindOptions {
  /** Connections that the kernel keeps for the server; default 511. Not on Windows. */
  backlog?: number
  /** The users who may connect; default `'current-user'`. Windows only: elsewhere `mode` says it. */
  security?: PipeSecurity
}

const socketOptionNames = ['mode', 'removeStale', 'makeDirectory', 'padded', 'backlog'] as const
const pipeOptionNames = ['security'] as const

export const controlOptionNames: readonly string[] =
  process.platform === 'win32' ? pipeOptionNames : socketOptionNames

/** Checks; what it returns takes the name. */
export function prepareControl(
  address: string,
  options: ControlOptions & ChannelOptions & { authorize?: unknown },
): () => Acceptor<ControlConnection> {
  const common = ownSome(options, ['allowHalfOpen', 'highWaterMark'])
  if (process.platform === 'win32') {
    const pipe = prepareToListenOnPipe(
      address,
      own({
        ...common,
        ...ownSome(options, ['security']),
        halfClose: true,
      }),
    )
    return () => pipe.listen()
  }
  const listen = prepareToListen(address, options)
  return () => {
    const { handle } = listen()
    removeNameAtExit(handle)
    const its = own({ ...common, maxDescriptors: mostAtOnce(options) })
    return new UnixAcceptor(handle, 'stream', its)
  }
}
