/** Codecs: what a message is, as bytes. */
import { deserialize, serialize } from 'node:v8'

import { checkBytes, checkShape, invalidArgument, type Shape } from '../core/arguments.js'
import { SluiceError } from '../core/errors.js'

/** Makes bytes of messages, and messages of bytes; see {@link framed}. */
export interface Codec<Received = unknown, Sent = Received> {
  /** The bytes must not change until they are sent. */
  encode(message: Sent): Uint8Array
  /** The bytes are the message's own: they are written to by nobody else. */
  decode(bytes: Buffer): Received
}

/** The names of the codecs that there are; see {@link framed}. */
export type CodecName = 'bytes' | 'json' | 'clone'

const bytesCodec: Codec<Buffer, Uint8Array> = {
  encode(message) {
    checkBytes('message', message)
    return message
  },
  decode: (bytes) => bytes,
}

const jsonCodec: Codec = {
  encode(message) {
    const text = JSON.stringify(message) as string | undefined
    if (text === undefined) throw invalidArgument('message', 'a value that JSON has', message)
    return Buffer.from(text)
  },
  // Not all that Buffer would make of bytes that are no UTF-8.
  decode: (bytes) => JSON.parse(utf8.decode(bytes)) as unknown,
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

const cloneCodec: Codec = {
  encode: serialize,
  decode: (bytes) => deserialize(bytes) as unknown,
}

const codecShape: Shape<Codec> = { encode: 'function', decode: 'function' }

const codecs: Readonly<Record<CodecName, Codec>> = {
  bytes: bytesCodec,
  json: jsonCodec,
  clone: cloneCodec,
}

export function codecOf(given: unknown = 'bytes'): Codec {
  if (typeof given === 'string' && Object.hasOwn(codecs, given)) return codecs[given as CodecName]
  if (typeof given !== 'object' || given === null) {
    throw invalidArgument('options.codec', "'bytes', 'json', 'clone' or { encode, decode }", given)
  }
  // Members may be inherited: it can be an object of a class.
  checkShape('options.codec', given, codecShape)
  return given as Codec
}

/** @throws `ERR_SLUICE_INVALID_ARGUMENT` */
export function encoded(codec: Codec, message: unknown): Uint8Array {
  try {
    const bytes = codec.encode(message)
    checkBytes('the bytes of the codec', bytes)
    return bytes
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause
    const message = 'the message cannot be encoded'
    throw new SluiceError('ERR_SLUICE_INVALID_ARGUMENT', message, { cause })
  }
}

/** @throws `ERR_SLUICE_MESSAGE_INVALID` */
export function decoded(codec: Codec, bytes: Buffer): unknown {
  try {
    return codec.decode(bytes)
  } catch (cause) {
    throw new SluiceError(
      'ERR_SLUICE_MESSAGE_INVALID',
      `a message of ${String(bytes.length)} bytes cannot be decoded; the connection goes on`,
      { cause },
    )
  }
}
