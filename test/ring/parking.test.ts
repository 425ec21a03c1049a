/** The cost of waiting in the background, and the behaviour where no thread can wait. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'

import { Child } from '../support/child.js'
import { namePrefix } from '../support/resources.js'
import { onlyIf } from '../support/platform.js'
import { ringWithEnds } from '../support/rings.js'

const onLinux = process.platform === 'linux'
const hasManyWaits = process.env['SLUICE_NO_FUTEX_WAITV'] !== '1'

/** How often threads of this process, its main thread apart, have gone to sleep so far. */
function sleepsOfThreads(): number {
  return readdirSync('/proc/self/task')
    .filter((thread) => thread !== String(process.pid))
    .map((thread) => readFileSync(`/proc/self/task/${thread}/status`, 'utf8'))
    .reduce(
      (sum, status) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1]),
      0,
    )
}

onlyIf(onLinux && hasManyWaits, 'a thread waits for one ring only')(
  '100 ends that sleep wake a thread 20 times a second at most, all together',
  async () => {
    const waits = Array.from({ length: 100 }, () => {
      const { ring, consumer } = ringWithEnds(4096, { spin: 0 })
      const read = consumer.read().catch(() => undefined)
      return { ring, read }
    })
    await sleep(200) // until the threads of the pool and of the parking have come to rest
    const before = sleepsOfThreads()
    const start = performance.now()
    await sleep(2000)
    // A loaded machine makes it fewer.
    expect((sleepsOfThreads() - before) / ((performance.now() - start) / 1000)).toBeLessThan(20)
    for (const { ring } of waits) ring.close()
    await Promise.all(waits.map(({ read }) => read))
  },
)

// A limit of threads counts those of a user, whom nobody else must be here, and not root's.
onlyIf(onLinux && process.getuid?.() === 0, 'only root can be a user without other processes').each(
  [
    ['a read', 'read', 0],
    ['a read that has looked for a while', 'read', 200],
    ['consume', 'consume', 0],
    ['consume that has looked for a while', 'consume', 200],
  ] as const,
)(
  'a wait that gets no thread fails with the error of the system, and nothing is left of it: %s',
  async (_, how, spin) => {
    const count = 60
    const user = 54_321
    const child = new Child('thread_limit.mjs', [`/${namePrefix}limit`, count, spin, how], {
      program: '/bin/sh',
      // The limit of processes, which counts threads, is -u in bash and -p in dash.
      execArgv: [
        '-c',
        `ulimit -u 40 2>/dev/null || ulimit -p 40; exec "${process.execPath}" "$0" "$@"`,
      ],
      uid: user,
      gid: user,
      env: { SLUICE_NO_FUTEX_WAITV: '1' },
    })
    const { failures } = await child.next<{ failures: unknown[] }>()
    expect(failures.length).toBeGreaterThan(0)
    expect(failures.length).toBeLessThan(count)
    const failure = { type: 'SluiceError', syscall: 'pthread_create', errno: -11, parked: false }
    expect(failures).toEqual(failures.map(() => failure))
    expect(await child.next()).toEqual({ read: count - failures.length, late: failures.length })
    expect(await child.exited).toEqual({ code: 0, signal: null })
    expect(child.errors).toBe('')
  },
)
