// Which processor a process runs on, where the system lets one say so from outside.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

let enabled = true

export function disablePinning() {
  enabled = false
}

const possible =
  process.platform === 'linux' &&
  availableParallelism() >= 2 &&
  spawnSync('taskset', ['-c', '0,1', 'true']).status === 0

/** `core`: a number, or a list as '0,1'. */
export function pinned(command, core) {
  return possible && enabled ? ['taskset', '-c', String(core), ...command] : command
}

export function pinningText() {
  if (!enabled) return 'not pinned, as asked'
  if (!possible) return 'not pinned (needs taskset and two processors)'
  return 'pinned with taskset: producer and asking side on processor 0, consumer and answering side on 1'
}
