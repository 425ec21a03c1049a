/** The options of `listen` and `connect`: each transport has its own. */
import { checkBoolean, invalidArgument, ownOptions } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'
import { own } from '../core/own.js'
import { waitOptionNames } from '../core/wait_options.js'
import { connectChannelOptionNames } from '../channel/connect_channel.js'
import { listenChannelOptionNames } from '../channel/channel_server.js'
import { bindOptionNames } from '../socket/listen_options.js'
import { connectNamedPipeOptionNames } from '../pipe/connect_named_pipe.js'
import { listenNamedPipeOptionNames } from '../pipe/listening_pipe.js'
import { connectUnixOptionNames } from '../socket/connect_unix.js'
import { listenUnixOptionNames } from '../socket/unix_server.js'
import type { TransportName } from '../transport/addresses.js'
import { serverOptionNames } from '../transport/server.js'
import { connectTcpOptionNames } from './connect_tcp.js'
import { listenTcpOptionNames } from './tcp_server.js'

type Names = Readonly<Record<TransportName, readonly string[]>>

const onWindows = process.platform === 'win32'

/** Options of named pipes that hold for the Unix sockets which stand for them elsewhere, too. */
const portable = ['allowHalfOpen', 'highWaterMark'] as const

const listenNames: Names = {
  unix: listenUnixOptionNames,
  pipe: onWindows ? listenNamedPipeOptionNames : [...portable, 'halfClose', ...serverOptionNames],
  // How its name is taken is said by the address.
  shm: listenChannelOptionNames.filter(
    (name) => !(bindOptionNames as readonly string[]).includes(name),
  ),
  tcp: listenTcpOptionNames,
}

/** Of a connection that is made again, over any transport. */
const lasting = ['reconnect', 'framed'] as const

const connectNames: Names = {
  unix: [...connectUnixOptionNames, ...lasting],
  pipe: [
    ...(onWindows ? connectNamedPipeOptionNames : [...portable, ...waitOptionNames]),
    ...lasting,
  ],
  shm: [...connectChannelOptionNames, ...lasting],
  tcp: [...connectTcpOptionNames, ...lasting],
}

export function ownListenOptions<Options extends object>(
  transport: TransportName,
  options: Options | undefined,
): Readonly<Options> {
  return ownOf(listenNames, transport, options)
}

export function ownConnectOptions<Options extends object>(
  transport: TransportName,
  options: Options | undefined,
): Readonly<Options> {
  return ownOf(connectNames, transport, options)
}

function ownOf<Options extends object>(
  names: Names,
  transport: TransportName,
  options: Options | undefined,
): Readonly<Options> {
  const known = names[transport]
  const all = ownOptions(options, Object.values(names).flat())
  for (const name of Object.keys(all)) {
    if (known.includes(name)) continue
    const others = Object.entries(names)
      .filter(([, list]) => list.includes(name))
      .map(([other]) => `${other}:`)
    throw new SluiceError(
      'ERR_SLUICE_INVALID_ARGUMENT',
      `options.${name} is of ${others.join(', ')}, and ${transport}: has no such option` +
        `${transport === 'pipe' ? ` on ${process.platform}` : ''}; it has ${known.join(', ')}`,
    )
  }
  return all
}

/** For a Unix socket in a pipe's place: it can always be half-closed. */
export function withoutHalfClose<Options extends { halfClose?: boolean }>(
  options: Readonly<Options>,
): Omit<Options, 'halfClose'> {
  const { halfClose = true } = options
  checkBoolean('options.halfClose', halfClose)
  if (!halfClose) {
    throw invalidArgument('options.halfClose', `true on ${process.platform}`, halfClose)
  }
  const rest = own(options) as Options
  delete rest.halfClose
  return rest
}
