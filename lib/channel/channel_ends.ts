import type { Consumer } from '../ring/consumer.js'
import { Endpoint } from '../ring/endpoint.js'
import { consumerSide, producerSide, sideState } from '../ring/layout.js'
import type { Producer } from '../ring/producer.js'
import { look } from '../ring/publish.js'
import { Ring } from '../ring/ring.js'
import type { Bells } from './bells.js'

/** In the state of a ring's side: it was closed, and did not just go away. */
const closed = 2

/** This side's ends of the two rings of a channel. */
export class ChannelEnds {
  readonly producer: Producer
  readonly consumer: Consumer
  /** Bytes of the longest record that can be written. */
  readonly maxRecordLength: number
  /** The bells that wake the peer and these ends; undefined: the rings' own doorbells do. */
  readonly bells: Bells | undefined
  readonly #outgoing: Ring
  readonly #incoming: Ring
  readonly #outgoingWords: Int32Array | undefined
  readonly #incomingWords: Int32Array | undefined

  /** Takes the rings over: they are closed with the ends, and when an end cannot be had. */
  constructor(outgoing: Ring, incoming: Ring, spin: number | undefined, bells: Bells | undefined) {
    this.bells = bells
    this.#outgoing = outgoing
    this.#incoming = incoming
    this.maxRecordLength = outgoing.maxMessageLength
    try {
      this.producer = Ring.producerOf(outgoing, { spin }, bells?.forProducer)
      this.consumer = Ring.consumerOf(incoming, { spin }, bells?.forConsumer)
      this.#outgoingWords = wordsOf(this.producer)
      this.#incomingWords = wordsOf(this.consumer)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Whether the peer has ended its stream, and did not just disappear. */
  get peerHasEnded(): boolean {
    return this.#incomingWords === undefined
      ? this.#incoming.stats().producer.state === 'closed'
      : look(this.#incomingWords, producerSide + sideState) === closed
  }

  /** Whether the peer takes nothing any more. */
  get peerHasLeft(): boolean {
    return this.#outgoingWords === undefined
      ? this.#outgoing.stats().consumer.state === 'closed'
      : look(this.#outgoingWords, consumerSide + sideState) === closed
  }

  /** Idempotent. Ends what was written; views of the rings are dead. */
  close(): void {
    this.#outgoing.close()
    this.#incoming.close()
  }
}

/** The words of a ring; undefined where the runtime forbids views of it. */
function wordsOf(end: Endpoint): Int32Array | undefined {
  const memory = Endpoint.memoryOf(end)
  return memory === undefined ? undefined : new Int32Array(memory)
}
