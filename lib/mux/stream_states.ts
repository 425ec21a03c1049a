/**
 * The states of one direction of a stream, at its sender and at its receiver, and which frame may go or
 * come in each. A stream that goes both ways has two directions, which know nothing of each other.
 *
 * At the sender; what it sends stands on the left, what comes from the receiver on the right, and `-` ends
 * the connection:
 *
 *              | OPEN   DATA   FIN       RESET    | CREDIT    STOP      DONE
 *     free     | open   -      -         -        | -         -         -
 *     open     | -      open   ended     reset    | open      stopped   -
 *     stopped  | -      -      answered  answered | stopped   -         -
 *     ended    | -      -      -         -        | ended     answered  free
 *     reset    | -      -      -         -        | reset     answered  free
 *     answered | -      -      -         -        | answered  -         free
 *
 * At the receiver; what comes stands on the left:
 *
 *              | OPEN   DATA     BLOCKED  FIN       RESET    | STOP      all consumed  DONE
 *     free     | open   -        -        -         -        | -         -             -
 *     open     | -      open     open     ended     finished | stopped   -             -
 *     stopped  | -      stopped  stopped  finished  finished | -         -             -
 *     ended    | -      -        -        -         -        | -         finished      -
 *     finished | -      -        -        -         -        | -         -             free
 *
 * - FIN is a flag of OPEN and DATA, DONE one of CREDIT. An OPEN that has data counts as OPEN and DATA.
 * - Once FIN was sent there is no RESET: it could cross a DONE and meet the next stream of the slot.
 * - A STOP that was not sent yet when the end comes is not sent at all: DONE must be the last.
 * - A sender that was stopped sends no more data. RESET or FIN is its answer, and its account stays as it is
 *   until the receiver has returned everything: what was under way is discarded there, and counted.
 */
import { fault, violation } from './violation.js'

export enum SendState {
  free,
  open,
  /** STOP has come and is not answered. */
  stopped,
  /** FIN was sent. */
  ended,
  /** RESET was sent. */
  reset,
  /** STOP has come, and FIN or RESET was sent. */
  answered,
}

export enum SendEvent {
  open,
  data,
  fin,
  reset,
  credit,
  stop,
  done,
}

export enum ReceiveState {
  free,
  open,
  /** The reader has given up; the sender has not answered. */
  stopped,
  /** FIN has come, and not everything was consumed. */
  ended,
  /** All that will ever come was consumed or discarded; DONE is owed. */
  finished,
}

export enum ReceiveEvent {
  open,
  data,
  blocked,
  fin,
  reset,
  stop,
  consumed,
  done,
}

type Table<State extends number, Event extends number> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>

const sending: Table<SendState, SendEvent> = {
  [SendState.free]: { [SendEvent.open]: SendState.open },
  [SendState.open]: {
    [SendEvent.data]: SendState.open,
    [SendEvent.fin]: SendState.ended,
    [SendEvent.reset]: SendState.reset,
    [SendEvent.credit]: SendState.open,
    [SendEvent.stop]: SendState.stopped,
  },
  [SendState.stopped]: {
    [SendEvent.fin]: SendState.answered,
    [SendEvent.reset]: SendState.answered,
    [SendEvent.credit]: SendState.stopped,
  },
  [SendState.ended]: {
    [SendEvent.credit]: SendState.ended,
    [SendEvent.stop]: SendState.answered,
    [SendEvent.done]: SendState.free,
  },
  [SendState.reset]: {
    [SendEvent.credit]: SendState.reset,
    [SendEvent.stop]: SendState.answered,
    [SendEvent.done]: SendState.free,
  },
  [SendState.answered]: {
    [SendEvent.credit]: SendState.answered,
    [SendEvent.done]: SendState.free,
  },
}

const receiving: Table<ReceiveState, ReceiveEvent> = {
  [ReceiveState.free]: { [ReceiveEvent.open]: ReceiveState.open },
  [ReceiveState.open]: {
    [ReceiveEvent.data]: ReceiveState.open,
    [ReceiveEvent.blocked]: ReceiveState.open,
    [ReceiveEvent.fin]: ReceiveState.ended,
    [ReceiveEvent.reset]: ReceiveState.finished,
    [ReceiveEvent.stop]: ReceiveState.stopped,
  },
  [ReceiveState.stopped]: {
    [ReceiveEvent.data]: ReceiveState.stopped,
    [ReceiveEvent.blocked]: ReceiveState.stopped,
    [ReceiveEvent.fin]: ReceiveState.finished,
    [ReceiveEvent.reset]: ReceiveState.finished,
  },
  [ReceiveState.ended]: { [ReceiveEvent.consumed]: ReceiveState.finished },
  [ReceiveState.finished]: { [ReceiveEvent.done]: ReceiveState.free },
}

/** Events of these numbers come from the peer. */
const firstFromReceiver = SendEvent.credit
const lastFromSender = ReceiveEvent.reset

/** @throws `ERR_SLUICE_CORRUPT` when the event comes from the peer, `ERR_SLUICE_INTERNAL` when not */
export function nextSendState(state: SendState, event: SendEvent): SendState {
  const next = sending[state][event]
  if (next !== undefined) return next
  const what = `${SendEvent[event].toUpperCase()} for a stream that is ${SendState[state]}`
  throw event >= firstFromReceiver ? violation(`${what} at its sender`) : fault(what)
}

/**
 * @throws `ERR_SLUICE_CORRUPT` when the event comes from the peer, `ERR_SLUICE_INTERNAL` when not. The
 *   OPEN of a two-way stream is the opener's own.
 */
export function nextReceiveState(state: ReceiveState, event: ReceiveEvent): ReceiveState {
  const next = receiving[state][event]
  if (next !== undefined) return next
  const what = `${ReceiveEvent[event].toUpperCase()} for a stream that is ${ReceiveState[state]}`
  throw event <= lastFromSender ? violation(`${what} at its receiver`) : fault(what)
}
