/** After all tests no name of theirs is left in shared memory, whichever process made it. */
import { readdirSync } from 'node:fs'

const run = String(process.pid)

export function setup(): void {
  process.env['SLUICE_TEST_RUN'] = run // inherited by the processes that run the test files
}

export function teardown(): void {
  if (process.platform === 'win32') return // names go with their last handle
  const left = readdirSync('/dev/shm').filter((name) => name.startsWith(`sluice-test-${run}-`))
  if (left.length > 0) throw new Error(`shared-memory names were left behind: ${left.join(', ')}`)
}
