import { SluiceError } from '../core/errors.js'

/** For what is passed on as a file descriptor. */
export function requireDescriptors(): void {
  if (process.platform !== 'win32') return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    'shared memory has no file descriptor on win32; it has a handle',
  )
}

/** For what is passed on as a handle of Windows. */
export function requireHandles(): void {
  if (process.platform === 'win32') return
  throw new SluiceError(
    'ERR_SLUICE_UNSUPPORTED',
    `handles are for Windows; on ${process.platform} there are file descriptors`,
  )
}
