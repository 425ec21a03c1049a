import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, test, type TestContext } from 'vitest'

import { hasProgram } from './start.js'

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

/** For tests that run another program, which README does not ask a contributor to have. */
export function needsProgram(name: string): typeof test {
  return needs(hasProgram(name), `the program ${name} is not installed`)
}

/**
 * For tests of what a machine may lack, but not one of CI: there everything is installed, and a
 * test that would be skipped is one that nobody runs any more.
 */
export function needs(condition: boolean, reason: string): typeof test {
  if (condition || !process.env['CI']) return onlyIf(condition, reason)
  return instead(() => {
    throw new Error(`in CI this test must not be skipped: ${reason}`)
  })
}

/** For tests in which this process, or a Python that it starts, becomes another user. */
export const asRoot = onlyIf(process.getuid?.() === 0, 'only root can become another user')

/** The same for tests in which the other user runs a program of this checkout. */
export const asRootForOthers =
  process.getuid?.() === 0
    ? onlyIf(
        othersReach(fileURLToPath(new URL('.', import.meta.url))),
        'other users may not read this checkout',
      )
    : asRoot

/** Whether a test can start programs with mounts of their own. */
export function canMount(): boolean {
  return process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'true']).status === 0
}

function othersReach(folder: string): boolean {
  const parent = dirname(folder)
  return (statSync(folder).mode & 0o005) === 0o005 && (parent === folder || othersReach(parent))
}

/** `test` where the condition holds, elsewhere one that is skipped and reports the reason. */
export function onlyIf(condition: boolean, reason: string): typeof test {
  if (condition) return test
  return instead((context) => {
    context.skip(reason)
  })
}

/** A `test` that does this in place of what it is given. */
function instead(body: (context: TestContext) => void): typeof test {
  const single = (name: string) => {
    test(name, (context) => {
      body(context)
    })
  }
  // With `each`, the test gets no context to skip with; `for` names its tests alike.
  const each = (cases: readonly unknown[]) => (name: string) => {
    test.for(cases)(name, (_, context) => {
      body(context)
    })
  }
  return Object.assign(single, { each }) as unknown as typeof test
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
