// Where and how a benchmark ran.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'

import { compiler, compilerFlags } from './native_programs.mjs'
import { pinningText } from './pinning.mjs'

export function conditions() {
  const cpus = os.cpus()
  return {
    date: new Date().toISOString(),
    machine: os.machine(),
    system: `${os.type()} ${os.release()}`,
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    governor: firstLine('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'not readable',
    loadAverage: os.loadavg(),
    node: process.version,
    v8: process.versions.v8,
    zeromq: packageVersion('zeromq'),
    compiler: [output(compiler, ['--version']) ?? 'none', ...compilerFlags].join(' '),
    commit: output('git', ['rev-parse', '--short', 'HEAD']) ?? 'unknown',
    changed: (output('git', ['status', '--porcelain', '-uno']) ?? '') !== '',
    pinning: pinningText(),
    polling:
      'throughput: a side that finds the ring full or empty calls waitSync (wait_for_* in C++), ' +
      'which polls briefly and then sleeps; round trips: as the row says',
  }
}

function firstLine(path) {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]
  } catch {
    return undefined
  }
}

function output(command, args) {
  const cwd = new URL('../..', import.meta.url)
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', cwd })
  return status === 0 ? stdout.split('\n')[0] : undefined
}

function packageVersion(name) {
  try {
    return createRequire(import.meta.url)(`${name}/package.json`).version
  } catch {
    return 'not installed'
  }
}
