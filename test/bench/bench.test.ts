import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { onlyIf } from '../support/platform.js'
import { started } from '../support/start.js'

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

describe('the benchmark', () => {
  let directory = ''
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-bench-test-'))
  })
  afterAll(() => {
    rmSync(directory, { recursive: true })
  })

  it('reports what it measured, on what, and the ratios of it', async () => {
    const args = ['--quick', '--rounds', '2', '--only', 'polling', '--json', '--output', directory]
    const { code, stdout, stderr } = await start(args).ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout) as Report

    expect(report.version).toBe(1)
    expect(report.conditions).toMatchObject({ node: process.version })
    for (const fact of ['cpu', 'cores', 'system', 'governor', 'loadAverage', 'commit', 'pinning']) {
      expect(report.conditions).toHaveProperty(fact)
    }
    expect(report.settings).toMatchObject({ rounds: 2, quick: true })

    expect(report.scenarios.map(({ id }) => id)).toEqual(['round-trip'])
    for (const { id, available, reason, samples } of report.scenarios[0]?.participants ?? []) {
      if (id === 'zeromq' && !available) continue
      expect({ id, available, reason }).toEqual({ id, available: true, reason: undefined })
      expect(samples.map(({ round }) => round)).toEqual([1, 2])
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
