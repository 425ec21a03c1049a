/** Errors of the two kinds of broken rules: by the peer, which ends the connection, and by this program. */
import { SluiceError } from '../core/errors.js'

/** The error when the peer breaks the protocol; `what` it sent: 'a DATA for a stream that has ended'. */
export function violation(what: string): SluiceError {
  return new SluiceError(
    'ERR_SLUICE_CORRUPT',
    `the peer does not speak as a multiplexer does: it sent ${what}`,
  )
}

/** The error when this side would break it. */
export function fault(what: string): SluiceError {
  return new SluiceError('ERR_SLUICE_INTERNAL', `the multiplexer was about to send ${what}`)
}
