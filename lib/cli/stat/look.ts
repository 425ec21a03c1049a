/** One look at all that this user's processes have open. */
import { openRings, type OpenRing } from './open_rings.js'
import { ownProcesses, type Processes } from './processes.js'
import { servers, type ServerSocket } from './servers.js'

export interface Look extends Omit<Processes, 'processes'> {
  /** By the clock of `performance`. */
  at: number
  servers: readonly ServerSocket[]
  rings: readonly OpenRing[]
}

export interface Scope {
  /** As `namelessMount` tells it. */
  nameless: string | undefined
  /** Also servers of processes that do not use this package. */
  all: boolean
}

export async function look({ nameless, all }: Scope, signal: AbortSignal): Promise<Look> {
  const { processes, ...limits } = await ownProcesses(signal)
  const listening = servers(processes, all)
  const at = performance.now()
  return { at, servers: listening, rings: openRings(processes, nameless), ...limits }
}
