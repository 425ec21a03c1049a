/**
 * How two processes come to a channel, over a control connection that the server has let in:
 *
 *     client -> HELLO      versions, features, wishes
 *     server -> OFFER      two rings that it has made, and a token
 *     client -> ACCEPT     when it has them mapped and has checked them: size, seals, format
 *     server -> READY
 *
 * A client that cannot have the memory says REJECT, and a server that cannot make it says PLAIN instead
 * of an OFFER; the control connection itself is then the stream. Both directions are on the rings or
 * both on the stream, so no data can overtake others. One deadline holds for all of it, and nothing is
 * made before the client was let in and has said who it is.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'

import { SluiceError } from '../core/errors.js'
import type { WaitOptions } from '../core/wait_options.js'
import type { Ring } from '../ring/ring.js'
import { Bells, canRingByControl } from './bells.js'
import { ChannelEnds } from './channel_ends.js'
import type { Attachment, Control } from './control.js'
import { ControlKind, nonsense, tokenLength, type ControlMessage } from './control_message.js'
import { attachmentsOf, attachmentsOfOffer, makeRing, openRing } from './offered_ring.js'
import {
  defaultCapacity,
  defaultHandshakeTimeout,
  isCapacity,
  type ChannelOptions,
} from './options.js'

/** The version of the handshake and of the records that this package speaks. */
const version = 1

export const Feature = {
  /** The sender can go on with a plain stream. */
  plain: 1,
  /** The sender rings by the control connection, and hears such bells. */
  bells: 2,
} as const

/** The features that this process has. */
function ownFeatures(): number {
  return canRingByControl() ? Feature.plain | Feature.bells : Feature.plain
}

const Reason = { version: 1, feature: 2, memory: 3, required: 4 } as const

type Hello = Extract<ControlMessage, { kind: typeof ControlKind.hello }>

/** One deadline for several waits. */
function deadline(options: ChannelOptions & { signal?: AbortSignal | undefined }) {
  const { signal, handshakeTimeout = defaultHandshakeTimeout.server } = options
  const end = performance.now() + handshakeTimeout
  return (): WaitOptions => ({ signal, timeout: Math.max(0, Math.ceil(end - performance.now())) })
}

/**
 * The server's part. Undefined: the control connection itself is the stream.
 *
 * @throws (rejects) whatever ends the connection.
 */
export async function offerChannel(
  control: Control,
  options: ChannelOptions,
): Promise<ChannelEnds | undefined> {
  const left = deadline(options)
  const hello = await expect(control, ControlKind.hello, left())
  await refuseUnlessCommon(control, hello, left)
  let offer: Offer
  try {
    offer = new Offer(control, hello, options)
  } catch (error) {
    await goOnPlainly(control, hello, options, error as Error, left)
    return undefined
  }
  try {
    await control.send(offer.message, left(), offer.attachments)
    const answer = await expectOneOf(control, [ControlKind.accept, ControlKind.reject], left())
    if (answer.kind === ControlKind.accept) {
      if (!timingSafeEqual(answer.token, offer.message.token)) throw nonsense('another token')
      // The client may ring as soon as it has the READY.
      offer.ends.bells?.start()
      await control.send({ kind: ControlKind.ready }, left())
      return offer.ends
    }
    offer.close()
    const failure = new SluiceError('ERR_SLUICE_REJECTED', `the client says: ${answer.text}`)
    await goOnPlainly(control, hello, options, failure, left)
    return undefined
  } catch (error) {
    offer.close()
    throw error
  }
}

/**
 * The client's part. Undefined: the control connection itself is the stream.
 *
 * @throws (rejects) `ERR_SLUICE_DISCONNECTED`, `ERR_SLUICE_REJECTED`, `ERR_SLUICE_VERSION_MISMATCH`, `ERR_SLUICE_CORRUPT`,
 * `ERR_SLUICE_TIMEOUT`, the signal's reason; with `required: true` why there is no memory.
 */
export async function requestChannel(
  control: Control,
  options: ChannelOptions & { signal?: AbortSignal | undefined },
): Promise<ChannelEnds | undefined> {
  const { capacity = 0, required = false } = options
  const left = deadline(options)
  const hello: Hello = {
    kind: ControlKind.hello,
    lowest: version,
    highest: version,
    features: required ? ownFeatures() & ~Feature.plain : ownFeatures(),
    required: 0,
    toServer: capacity,
    toClient: capacity,
  }
  await control.send(hello, left())
  const answer = await expectOneOf(control, [ControlKind.offer, ControlKind.plain], left())
  if (answer.kind === ControlKind.plain) {
    if (required) throw nonsense('a plain stream, which was not asked for')
    return undefined
  }
  let ends: ChannelEnds
  try {
    ends = openOffer(control, answer, options)
  } catch (error) {
    if (isNonsense(error)) throw error
    await control.send(
      {
        kind: ControlKind.reject,
        reason: required ? Reason.required : Reason.memory,
        text: (error as Error).message,
      },
      left(),
    )
    if (required) throw error
    await expect(control, ControlKind.plain, left())
    return undefined
  }
  try {
    await control.send({ kind: ControlKind.accept, token: answer.token }, left())
    await expect(control, ControlKind.ready, left())
    ends.bells?.start()
    return ends
  } catch (error) {
    ends.close()
    throw error
  }
}

/** The rings that a server has made for one client. */
class Offer {
  readonly ends: ChannelEnds
  readonly message: Extract<ControlMessage, { kind: typeof ControlKind.offer }>
  readonly attachments: readonly number[]

  constructor(
    control: Control,
    hello: Hello,
    { capacity = defaultCapacity, spin }: ChannelOptions,
  ) {
    const toServer = granted(hello.toServer, capacity)
    const toClient = granted(hello.toClient, capacity)
    const token = randomBytes(tokenLength)
    const incoming = makeRing(toServer, token, 'to-server')
    let outgoing: Ring
    try {
      outgoing = makeRing(toClient, token, 'to-client')
    } catch (error) {
      incoming.close()
      throw error
    }
    const bells = commonBells(control, hello.features)
    this.ends = new ChannelEnds(outgoing, incoming, spin, bells)
    this.attachments = attachmentsOf([incoming, outgoing])
    this.message = {
      kind: ControlKind.offer,
      version,
      features: ownFeatures(),
      toServer,
      toClient,
      token,
    }
  }

  close(): void {
    this.ends.close()
  }
}

/** Bells, if the peer knows them as well. */
function commonBells(control: Control, features: number): Bells | undefined {
  return (features & ownFeatures() & Feature.bells) === 0 ? undefined : new Bells(control)
}

/** A client's wish, which is never more than the server gives by itself. */
function granted(wish: number, most: number): number {
  if (wish === 0) return most
  if (!isCapacity(wish)) throw nonsense('a wish for a ring that cannot be')
  return Math.min(wish, most)
}

async function refuseUnlessCommon(
  control: Control,
  hello: Hello,
  left: () => WaitOptions,
): Promise<void> {
  const unknown = hello.required & ~ownFeatures()
  const isCommon = hello.lowest <= version && version <= hello.highest
  if (isCommon && unknown === 0) return
  const text = isCommon
    ? `the server does not know the features 0x${(unknown >>> 0).toString(16)}`
    : `the server speaks version ${String(version)}, the client ${String(hello.lowest)} to ${String(hello.highest)}`
  const reason = isCommon ? Reason.feature : Reason.version
  await control.send({ kind: ControlKind.reject, reason, text }, left())
  throw new SluiceError('ERR_SLUICE_VERSION_MISMATCH', text)
}

/** There is no memory for the channel. */
async function goOnPlainly(
  control: Control,
  hello: Hello,
  { required = false }: ChannelOptions,
  failure: Error,
  left: () => WaitOptions,
): Promise<void> {
  if (isNonsense(failure)) throw failure
  if (!required && (hello.features & Feature.plain) !== 0) {
    await control.send({ kind: ControlKind.plain }, left())
    return
  }
  const text = `a channel is required, and there is no memory for it: ${failure.message}`
  await control.send({ kind: ControlKind.reject, reason: Reason.required, text }, left())
  throw failure
}

function openOffer(
  control: Control,
  offer: Extract<ControlMessage, { kind: typeof ControlKind.offer }>,
  { capacity, spin }: ChannelOptions,
): ChannelEnds {
  const attachments: readonly (Attachment | undefined)[] = control.take(attachmentsOfOffer)
  const rings: Ring[] = []
  try {
    if (offer.version !== version) throw nonsense('a version that was not asked for')
    for (const offered of [offer.toServer, offer.toClient]) {
      if (capacity !== undefined && offered > capacity) throw nonsense('rings larger than the wish')
    }
    rings.push(openRing(attachments.at(0), offer.toServer, offer.token, 'to-server'))
    rings.push(openRing(attachments.at(1), offer.toClient, offer.token, 'to-client'))
    return new ChannelEnds(rings[0], rings[1], spin, commonBells(control, offer.features))
  } catch (error) {
    for (const ring of rings) ring.close()
    throw error
  } finally {
    for (const attachment of attachments) attachment?.close()
  }
}

function isNonsense(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'ERR_SLUICE_CORRUPT'
}

async function expect<Kind extends ControlMessage['kind']>(
  control: Control,
  kind: Kind,
  options: WaitOptions,
): Promise<Extract<ControlMessage, { kind: Kind }>> {
  return expectOneOf(control, [kind], options)
}

async function expectOneOf<Kind extends ControlMessage['kind']>(
  control: Control,
  kinds: readonly Kind[],
  options: WaitOptions,
): Promise<Extract<ControlMessage, { kind: Kind }>> {
  const message = await control.receive(options)
  if (message === undefined) throw closedByServer()
  if ((kinds as readonly number[]).includes(message.kind)) {
    return message as Extract<ControlMessage, { kind: Kind }>
  }
  if (message.kind === ControlKind.reject) throw rejected(message.reason, message.text)
  throw nonsense('a message that does not belong here')
}

export function closedByServer(cause?: unknown): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_DISCONNECTED',
    'the other end closed the connection in the handshake: it does not let this process in, is full, or has gone',
    { cause },
  )
}

function rejected(reason: number, text: string): SluiceError {
  const code = reason === Reason.version ? 'ERR_SLUICE_VERSION_MISMATCH' : 'ERR_SLUICE_REJECTED'
  return new SluiceError(code, `the server refuses a channel: ${text}`)
}
