/**
 * sluice: fast and safe communication between processes on one machine.
 *
 * @packageDocumentation
 */
export { isSystemError, SluiceError } from './core/errors.js'
export type {
  SluiceErrorCode,
  SluiceErrorDetails,
  SystemError,
  SystemErrorCode,
} from './core/errors.js'
export { version } from './core/version.js'
export { capabilities } from './capabilities.js'
export type { Capabilities } from './capabilities.js'
export type { UserId } from './core/arguments.js'
export type { WaitOptions } from './core/wait_options.js'
export * from './transport/index.js'
export * from './memory/index.js'
export * from './ring/index.js'
export * from './pipe/index.js'
export * from './socket/index.js'
export * from './channel/index.js'
export * from './connection/index.js'
export * from './observe/index.js'
