import { SluiceError } from '../core/errors.js'
import { hasNamedPipes } from '../core/native.js'

export function requirePipes(): void {
  if (hasNamedPipes) return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    `named pipes are for Windows; on ${process.platform} there are Unix sockets`,
  )
}
