import { test } from 'vitest'

/** Where the tests run. */
export const onWindows = process.platform === 'win32'

/** Set by scripts/test-windows.sh. Wine does not do all that Windows does. */
export const underWine = process.env['SLUICE_UNDER_WINE'] === '1'

/** For tests of what Windows does not have; `reason` says what that is. */
export function unixOnly(reason: string): typeof test {
  return onWindows && reason !== '' ? (test.skip as typeof test) : test
}

const names = {
  EEXIST: 'ERROR_ALREADY_EXISTS',
  ENOENT: 'ERROR_FILE_NOT_FOUND',
} as const

/** What this system calls an error. */
export function systemCode(name: keyof typeof names): string {
  return onWindows ? names[name] : name
}
