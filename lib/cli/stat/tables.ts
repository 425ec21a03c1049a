/** A report for a person. */
import { formatBytes, formatCapacity } from '../format.js'
import { columns } from '../table.js'
import type { ProcessReport, Report, RingReport, ServerReport, SideReport } from './report.js'

const unknown = '-'

/** Empty when there is nothing. */
export function tablesOf({ servers, rings }: Report): string {
  const tables = []
  if (servers.length > 0) tables.push(serverTable(servers))
  if (rings.length > 0) tables.push(ringTable(rings))
  return tables.join('\n\n')
}

/** As many lines as a terminal shows; the last one says how many more there are. */
export function fitted(text: string, rows: number): string {
  const lines = text.split('\n')
  if (lines.length <= rows) return text
  const shown = lines.slice(0, Math.max(1, rows - 1))
  return [...shown, `... and ${String(lines.length - shown.length)} more lines`].join('\n')
}

function serverTable(servers: readonly ServerReport[]): string {
  return columns(
    ['SERVER', 'PROCESS', 'CONNECTIONS', 'WAITING'],
    servers.map(({ address, inode, processes, connections, waiting }) => [
      address ?? `#${String(inode)}`,
      processes.map(nameOf).join(', '),
      numberOr(connections),
      numberOr(waiting),
    ]),
    [2, 3],
  )
}

function ringTable(rings: readonly RingReport[]): string {
  return columns(
    ['RING', 'CAPACITY', 'FILL', 'PRODUCER', 'MSG/S', 'CONSUMER', 'MSG/S', 'BYTES/S', 'WAITS'],
    rings.map((ring) => [
      ring.name ?? `#${String(ring.inode)}`,
      formatCapacity(ring.capacity),
      `${String(Math.round((ring.used / ring.capacity) * 100))}%`,
      who(ring.producer),
      numberOr(ring.producer.messagesPerSecond),
      who(ring.consumer),
      numberOr(ring.consumer.messagesPerSecond),
      ring.bytesPerSecond === null ? unknown : formatBytes(ring.bytesPerSecond),
      waitersOf(ring),
    ]),
    [1, 2, 4, 6, 7],
  )
}

function who({ pid, program, state }: SideReport): string {
  if (state === 'never' || pid === null) return state
  return state === 'alive' && program !== null
    ? nameOf({ pid, program })
    : `${String(pid)} ${state}`
}

function nameOf({ pid, program }: ProcessReport): string {
  return program === null ? String(pid) : `${String(pid)} ${program}`
}

function waitersOf({ producer, consumer }: RingReport): string {
  const waiters = []
  if (producer.waits) waiters.push('producer for room')
  if (consumer.waits) waiters.push('consumer for data')
  return waiters.length === 0 ? unknown : waiters.join(', ')
}

function numberOr(count: number | null): string {
  return count === null ? unknown : String(count)
}
