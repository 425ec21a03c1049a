import { isSystemError, SluiceError } from '../index.js'

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

/** For want of a permission; Windows tells it by the other name. */
export function isForbidden(error: unknown): boolean {
  return isSystemError(error, 'EACCES', 'EPERM')
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
