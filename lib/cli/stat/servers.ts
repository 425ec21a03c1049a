/** The servers of this user's processes: sockets that listen, by address, with who holds them. */
import { dirname, basename } from 'node:path'

import { runtimeDirectory } from '../../socket/runtime_directory.js'
import { listeningSockets, type ListeningSocket } from './listening_sockets.js'
import { readText } from './proc.js'
import { usesSluice, type Process } from './processes.js'

const longestList = 2 ** 25
const ending = '.sock'

export interface ServerSocket extends Pick<ListeningSocket, 'inode' | 'connections' | 'waiting'> {
  /** As `connect` takes it; undefined when nobody knows. */
  address: string | undefined
  /** The processes that hold it. */
  pids: readonly number[]
}

/** Those of processes that use this package, or of `all`. */
export function servers(processes: readonly Process[], all: boolean): readonly ServerSocket[] {
  const listening = new Map(
    listeningSockets(readText('/proc/net/unix', longestList)).map((one) => [one.inode, one]),
  )
  const holders = new Map<number, number[]>()
  for (const { pid, sockets } of processes) {
    const its = new Set(sockets.filter((inode) => listening.has(inode)))
    if (its.size === 0 || !(all || usesSluice(pid))) continue
    for (const inode of its) holders.set(inode, [...(holders.get(inode) ?? []), pid])
  }
  return [...holders].flatMap(([inode, pids]) => {
    const socket = listening.get(inode)
    if (socket === undefined) return []
    const { name, connections, waiting } = socket
    return [{ inode, address: name && addressOfSocket(name), pids, connections, waiting }]
  })
}

/** One in the runtime directory is that of `pipe:name`, and of `shm:name`, which looks alike. */
export function addressOfSocket(name: string, directory = runtimeDirectory()): string {
  const isPipe = dirname(name) === directory && name.endsWith(ending) && basename(name) !== ending
  return isPipe ? `pipe:${basename(name, ending)}` : `unix:${name}`
}
