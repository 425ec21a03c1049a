import { SluiceError } from '../index.js'

/** Exit codes beside 0: as shells and other tools have them. */
export const exitCodes = {
  failed: 1,
  usage: 2,
  brokenPipe: 141, // 128 + SIGPIPE
} as const

/** Ends a command: a message for a person, and the process's exit code. */
export class CommandFailure extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}

export function isSluiceError(error: unknown, code: SluiceError['code']): error is SluiceError {
  return error instanceof SluiceError && error.code === code
}

// Windows' names of the errors that commands tell apart.
const posixNames: Partial<Record<string, string>> = {
  ERROR_FILE_NOT_FOUND: 'ENOENT',
  ERROR_ACCESS_DENIED: 'EACCES',
}

/** A system error's name, such as `'ENOENT'`, whoever made the error and on whatever system. */
export function systemCode(error: unknown): string | undefined {
  if (error instanceof SluiceError) return posixNames[error.errnoCode ?? ''] ?? error.errnoCode
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
