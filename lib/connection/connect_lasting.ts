/** A connection of messages to an address, which is made again when it is lost. */
import type { Duplex } from 'node:stream'

import { SluiceError } from '../core/errors.js'
import { ownSome } from '../core/own.js'
import {
  aborted,
  checkWaitOptions,
  waitOptionNames,
  type WaitOptions,
} from '../core/wait_options.js'
import type { Connect } from './attempt.js'
import { checkedFramedOptions, framed, type FramedOptions } from './framed.js'
import { checkedReconnectOptions, type ReconnectOptions } from './reconnect_options.js'
import { ReconnectingConnection } from './reconnecting.js'

/** Resolves when it stands for the first time; `options` bound the wait for that. */
export function connectLasting(
  connect: Connect<Duplex>,
  reconnect: ReconnectOptions,
  messages: FramedOptions,
  options: WaitOptions,
): Promise<ReconnectingConnection> {
  const wait = ownSome(options, waitOptionNames)
  checkWaitOptions(wait)
  checkedReconnectOptions(reconnect, 'options.reconnect')
  checkedFramedOptions(messages, 'options.framed')
  if (wait.signal?.aborted === true) return aborted(wait.signal)
  const connection = new ReconnectingConnection<Buffer>(
    async ({ signal }) => framed(await connect({ signal }), messages as { codec?: 'bytes' }),
    reconnect,
  )
  return connection.whenConnected(wait).then(
    () => connection,
    (error: unknown) => {
      connection.abort(error)
      throw ofTheCaller(error)
    },
  )
}

/** What no retry mends because the caller has to is told as it is without retries. */
function ofTheCaller(error: unknown): unknown {
  const { cause } = Object(error) as { cause?: unknown }
  const { code } = Object(cause) as { code?: unknown }
  const isOfTheCaller = code === 'ERR_SLUICE_INVALID_ARGUMENT' || code === 'ERR_SLUICE_UNSUPPORTED'
  return error instanceof SluiceError && isOfTheCaller ? cause : error
}
