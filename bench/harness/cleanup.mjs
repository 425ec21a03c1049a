// What a benchmark leaves on the machine while it runs, and how it goes, however the run ends.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Ring } from '../../dist/index.js'

const children = new Set()
const rings = new Set()
const names = new Set()
let directory
let count = 0

/** A path for a socket, in a directory of this run. */
export function socketPath() {
  directory ??= mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  return join(directory, `${++count}.sock`)
}

/** A name for shared memory, which is removed at the end if its user has not removed it. */
export function memoryName() {
  const name = `/sluice-bench-${process.pid}-${++count}`
  names.add(name)
  return name
}

/** A new ring, which `dropRing` removes. */
export function createRing(capacity) {
  const ring = Ring.create(`/sluice-bench-${process.pid}-${++count}`, { capacity })
  rings.add(ring)
  return ring
}

export function dropRing(ring) {
  if (!rings.delete(ring)) return
  ring.unlink()
  ring.close()
}

export function addChild(child) {
  children.add(child)
  child.once('close', () => children.delete(child))
}

export function cleanUp() {
  for (const child of children) child.kill('SIGKILL')
  for (const ring of rings) dropRing(ring)
  for (const name of names) rmSync(join('/dev/shm', name), { force: true })
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  directory = undefined
}

process.once('exit', cleanUp)
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.once(signal, () => process.exit(code))
}
