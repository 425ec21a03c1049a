/** Random tests that can be run again. */
import type { Parameters } from 'fast-check'

/**
 * How a random test is run: `numRuns` times, or once more as it failed. What fast-check prints of a failure is
 * given as `SLUICE_TEST_SEED` and `SLUICE_TEST_PATH`:
 *
 *     SLUICE_TEST_SEED=-1234 SLUICE_TEST_PATH=17:2:0 npm test -- test/mux/flow_control.test.ts -t 'the name'
 */
export function replayed<T>(numRuns: number): Parameters<T> {
  const { SLUICE_TEST_SEED: seed, SLUICE_TEST_PATH: path } = process.env
  if (seed === undefined) return { numRuns }
  return { numRuns, seed: Number(seed), ...(path === undefined ? {} : { path }) }
}
