/** Worker threads that a fixture has brought to a state, and that end in it. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import { eventually, noMoreDescriptorsThan, openDescriptors, threadCount } from './resources.js'

/** Starts one of `fixture` for each path, and resolves when all are in the state. */
export async function workersIn(
  fixture: string,
  paths: readonly string[],
  state: string,
): Promise<Worker[]> {
  const program = new URL(`../fixtures/${fixture}`, import.meta.url)
  const workers = paths.map((path) => new Worker(program, { workerData: { path, state } }))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  return workers
}

export async function terminate(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.terminate()))
}

/** Counts threads and descriptors now; the function resolves when there are as many again, and no more. */
export function countThreadsAndDescriptors(): () => Promise<void> {
  const before = openDescriptors()
  const threads = threadCount()
  return async () => {
    await eventually(
      () => threadCount() === threads,
      () => `${String(threadCount())} threads, not ${String(threads)}`,
    )
    await noMoreDescriptorsThan(before)
  }
}
