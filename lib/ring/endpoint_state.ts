/** An endpoint's private state, which native code works on too: EndpointState of ring_endpoint.hpp. */
import { SluiceError } from '../core/errors.js'

export type Role = 'producer' | 'consumer'

/** Words of the state. */
export enum State {
  position,
  published,
  peerPosition,
  messages,
  record,
  length,
  type,
  status,
  corked,
  heldBack,
  fenced,
}
export const stateSize = 44

/** In State.length: nothing is reserved or peeked. */
export const noRecord = -1

/** In State.status (EndpointStatus); not an enum, as what a word of memory holds is a number. */
export const Status = { usable: 0, closed: 1, corrupt: 2, ended: 3 } as const

/** Throws when the endpoint is closed or has found the ring corrupt. */
export function requireUsable(state: Int32Array, role: Role): void {
  switch (state[State.status]) {
    case Status.closed:
      throw new SluiceError('ERR_SLUICE_CLOSED', `the ${role} is closed`)
    case Status.corrupt:
      throw new SluiceError(
        'ERR_SLUICE_CORRUPT',
        'the ring is corrupt; this end of it can only be closed',
      )
  }
}

/** From here on the endpoint can only be closed. */
export function failCorrupt(state: Int32Array, role: Role, reason: string): never {
  state[State.status] = Status.corrupt
  throw new SluiceError(
    'ERR_SLUICE_CORRUPT',
    `the ring's memory is corrupt, as the ${role} sees it: ${reason}`,
  )
}

/** For the calls that work in place. */
export function needsViews(): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    'this runtime forbids ArrayBuffers over shared memory; use the copying calls',
  )
}
