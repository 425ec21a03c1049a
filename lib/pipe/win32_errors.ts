import { native } from './native.js'

/** Outcomes of operations on pipes. */
export const Outcome = {
  pending: -1,
  done: 0,
  brokenPipe: 109,
  pipeBusy: 231,
  noData: 232,
  pipeNotConnected: 233,
  moreData: 234,
  aborted: 995,
  cannotImpersonate: 1368,
} as const

/** The other end has closed. */
export function isPeerGone(code: number): boolean {
  return code === Outcome.brokenPipe || code === Outcome.noData || code === Outcome.pipeNotConnected
}

export function systemError(
  syscall: string,
  code: number,
  attempt: string,
  address: string,
): Error {
  return native.systemError(syscall, code, attempt, address)
}
