import { beforeEach, test } from 'vitest'

/** Where the tests run. */
export const onWindows = process.platform === 'win32'

/** Set by scripts/test-windows.sh. Wine does not do all that Windows does. */
export const underWine = process.env['SLUICE_UNDER_WINE'] === '1'

/** For tests of what Windows does not have; `reason` says what that is. */
export function unixOnly(reason: string): typeof test {
  return onlyIf(!onWindows, reason)
}

/** For tests of what Wine does not do; `reason` says what that is. */
export function notUnderWine(reason: string): typeof test {
  return onlyIf(!underWine, reason)
}

/** `test` where the condition holds, elsewhere one that is skipped and reports the reason. */
export function onlyIf(condition: boolean, reason: string): typeof test {
  if (condition) return test
  const skipped = (name: string) => {
    test(name, ({ skip }) => skip(reason))
  }
  // With `each`, the test gets no context to skip with; `for` names its tests alike.
  const each = (cases: readonly unknown[]) => (name: string) => {
    test.for(cases)(name, (_, { skip }) => skip(reason))
  }
  return Object.assign(skipped, { each }) as unknown as typeof test
}

// Reasons that several files have.
export const goesWithItsHolder = 'a section loses its name with its last handle only'
export const noStopSignal = 'no signal stops a process on Windows'
export const noFullDevice = 'Windows has no full device'

/** Skips all tests of the `describe` or file around it, each with the reason in its report. */
export function skipAllIf(condition: boolean, reason: string): void {
  beforeEach(({ skip }) => {
    skip(condition, reason)
  })
}

const names = {
  EEXIST: 'ERROR_ALREADY_EXISTS',
  ENOENT: 'ERROR_FILE_NOT_FOUND',
} as const

/** What this system calls an error. */
export function systemCode(name: keyof typeof names): string {
  return onWindows ? names[name] : name
}
