import { spawn } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { root } from '../support/command.js'
import { onlyIf } from '../support/platform.js'
import { started } from '../support/start.js'
import { stress } from '../support/stress.js'

const program = fileURLToPath(new URL('../../bench/run.mjs', import.meta.url))

interface Spread {
  median: number
  low: number
  high: number
}

interface Report {
  version: number
  conditions: Record<string, unknown>
  settings: Record<string, unknown>
  scenarios: {
    id: string
    unit: string
    participants: {
      id: string
      available: boolean
      reason?: string
      samples: { round: number; value: number; count: number; seconds: number }[]
    }[]
  }[]
  rows: {
    id: string
    value: Spread
    comparisons: {
      against: string
      ratio?: Spread
      target?: { atLeast?: number; atMost?: number }
      met?: boolean
    }[]
  }[]
}

interface Side {
  samples: { round: number; value: number }[]
  reason?: string
}

interface Comparison {
  against: string
  rows: { id: string; ours: Side; theirs: Side; ratio: Spread }[]
}

function start(args: string[]) {
  const child = started(
    spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    child.once('close', (code) => {
      resolve({ code, stdout, stderr })
    })
  })
  return { child, ended }
}

const rounds = stress({ short: 1, full: 2 })

// It compiles C++ and starts a process for each end of each measurement.
describe('the benchmark', { timeout: 300_000 }, () => {
  let directory = ''
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-bench-test-'))
  })
  afterAll(() => {
    rmSync(directory, { recursive: true })
  })

  it('reports what it measured, on what, and the ratios of it', async () => {
    const measured = ['--quick', '--rounds', String(rounds), '--only', 'polling']
    const args = [...measured, '--json', '--output', directory]
    const { code, stdout, stderr } = await start(args).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout) as Report

    expect(report.version).toBe(1)
    expect(report.conditions).toMatchObject({ node: process.version })
    for (const fact of ['cpu', 'cores', 'system', 'governor', 'loadAverage', 'commit', 'pinning']) {
      expect(report.conditions).toHaveProperty(fact)
    }
    expect(report.settings).toMatchObject({ rounds, quick: true })

    expect(report.scenarios.map(({ id }) => id)).toEqual(['round-trip'])
    for (const { id, available, reason, samples } of report.scenarios[0]?.participants ?? []) {
      if (id === 'zeromq' && !available) continue
      expect({ id, available, reason }).toEqual({ id, available: true, reason: undefined })
      expect(samples.map(({ round }) => round)).toEqual([1, 2].slice(0, rounds))
      for (const { value, count, seconds } of samples) {
        expect(value).toBeCloseTo((seconds / count) * 1e6)
      }
    }

    expect(report.rows.map(({ id }) => id)).toEqual(['polling'])
    const comparisons = report.rows[0]?.comparisons ?? []
    expect(comparisons.map(({ against }) => against)).toEqual([
      'cpp-polling',
      'net',
      'child_process',
      'worker_threads',
      'zeromq',
    ])
    const cpp = comparisons.at(0)
    expect(cpp?.target).toEqual({ atMost: 1.25 })
    expect(cpp?.met).toBe((cpp?.ratio?.median ?? NaN) <= 1.25)

    expect(JSON.parse(readFileSync(join(directory, 'latest.json'), 'utf8'))).toEqual(report)
    expect(readFileSync(join(directory, 'latest.svg'), 'utf8')).toMatch(/^<svg /)
  })

  it('says which measurements there are when it is asked for another', async () => {
    const { code, stderr } = await start(['--only', 'nothing']).ended
    expect(code).toBe(2)
    expect(stderr).toContain("there is no 'nothing'")
    expect(stderr).toContain('small-messages')
  })

  it('measures two builds in turns, each with peers and programs of its own', async () => {
    // The same build twice: what lies in the other folder shows that it is another.
    const other = join(directory, 'other')
    for (const part of ['dist', 'native', 'build', 'node_modules', 'package.json']) {
      cpSync(join(root, part), join(other, part), {
        recursive: true,
        filter: (path) =>
          !path.includes('node_modules/') || /node-(gyp-build|addon-api)/.test(path),
      })
    }
    const args = ['--quick', '--rounds', String(rounds), '--json', '--against', other]
    const { code, stdout, stderr } = await start([...args, '--only', 'polling']).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout) as Comparison
    expect(report.against).toBe(other)
    expect(report.rows.map(({ id }) => id)).toEqual(['polling', 'cpp-polling'])
    for (const { ours, theirs, ratio } of report.rows) {
      for (const { samples } of [ours, theirs]) {
        expect(samples.map(({ round }) => round)).toEqual([1, 2].slice(0, rounds))
      }
      const ratios = ours.samples.map(({ value }, i) => value / (theirs.samples[i]?.value ?? NaN))
      expect(ratio.low).toBeCloseTo(Math.min(...ratios))
      expect(ratio.high).toBeCloseTo(Math.max(...ratios))
    }

    // Without its library the other build cannot be measured, and this one is not taken for it.
    writeFileSync(join(other, 'dist/index.cjs'), "throw new Error('of the other build')")
    const broken = await start([...args, '--only', 'socket-connections']).ended
    expect(broken.code).toBe(1)
    const { rows: incomplete } = JSON.parse(broken.stdout) as Comparison
    expect(incomplete[0]?.theirs).toMatchObject({
      samples: [],
      reason: expect.stringContaining('of the other build') as string,
    })
  })

  it('says what a folder lacks that is no build', async () => {
    const { code, stderr } = await start(['--against', tmpdir()]).ended
    expect(code).toBe(2)
    expect(stderr).toContain('there is no dist/index.js')
  })

  onlyIf(process.platform === 'linux', 'only Linux has /proc')(
    'leaves nothing when it is interrupted',
    async () => {
      const { child, ended } = start(['--only', 'timer', '--output', directory])
      const mark = `sluice-bench-${String(child.pid)}-`
      await until(() => processesWith(mark).length > 0)
      child.kill('SIGINT')
      const { code } = await ended
      expect(code).toBe(130)
      expect(readdirSync('/dev/shm').filter((name) => name.startsWith(mark))).toEqual([])
      // The kernel takes a moment to end what was killed.
      await until(() => processesWith(mark).length === 0)
    },
  )
})

/** The processes that have the text in their command line. */
function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    const path = `/proc/${pid}/cmdline`
    try {
      return /^\d+$/.test(pid) && existsSync(path) && readFileSync(path, 'utf8').includes(text)
    } catch {
      return false // it has just ended
    }
  })
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
