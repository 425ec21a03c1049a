/** Warnings of this process: a test that causes some catches them, any other one fails its file. */
import { onTestFinished } from 'vitest'

export type Warning = Error & { code?: string }

const unexpected: Warning[] = []
const tolerated = new Set<string>()
const catchers = new Set<(warning: Warning) => void>()

/** From now on no warning is printed by Node. */
export function watchWarnings(): void {
  process.removeAllListeners('warning')
  process.on('warning', (warning: Warning) => {
    for (const take of catchers) take(warning)
    if (catchers.size === 0 && !tolerated.has(warning.code ?? '')) unexpected.push(warning)
  })
}

/** The warnings that no test has caught, each with where it was given. */
export function unexpectedWarnings(): string[] {
  return unexpected.map(({ stack, message }) => stack ?? message)
}

/** The warnings that come until the end of this test. */
export function caughtWarnings(): Warning[] {
  const caught: Warning[] = []
  catchUntilTheEnd((warning) => caught.push(warning))
  return caught
}

/** The first warning; those until the end of this test are caught with it. */
export function nextWarning(): Promise<Warning> {
  return new Promise((resolve) => {
    catchUntilTheEnd(resolve)
  })
}

function catchUntilTheEnd(take: (warning: Warning) => void): void {
  catchers.add(take)
  onTestFinished(() => {
    catchers.delete(take)
  })
}

/** For a warning that comes once in a process, with whichever test of the file is the first. */
export function tolerateWarning(code: string): void {
  tolerated.add(code)
}
