import { SluiceError } from '../core/errors.js'
import { native } from '../core/native.js'

/** Whether this platform has Unix sockets that can do what this folder promises. */
export const hasUnixSockets = 'openSocket' in native

export function requireSockets(): void {
  if (hasUnixSockets) return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    `${process.platform} has no Unix sockets that carry credentials and descriptors`,
  )
}
