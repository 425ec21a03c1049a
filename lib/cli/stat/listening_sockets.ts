/**
 * The Unix sockets that listen, as /proc/net/unix tells them. It has the names as they are: who binds one
 * with a line break in it writes lines there. Hence an inode on several lines has no name that is known.
 */
export interface ListeningSocket {
  inode: number
  /** A path, or `@name`; undefined when nobody knows. */
  name: string | undefined
  /** Accepted; undefined when several listen by this name, or by one that nobody knows. */
  connections: number | undefined
  /** Not accepted yet. */
  waiting: number | undefined
}

interface Line {
  listens: boolean
  state: string
  inode: number
  name: string
}

const accepts = 0x10000 // __SO_ACCEPTCON
const connected = '03'
/** Of a connection that no process has taken: it has no inode either. */
const connecting = '02'

const pattern =
  /^[0-9a-f]+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) [0-9A-F]{4} ([0-9A-F]{2}) +(\d{1,15}) (.+)$/

export function listeningSockets(text: string): ListeningSocket[] {
  const lines = text.split('\n').flatMap(parseLine)
  const listening = lines.filter(({ listens }) => listens)
  const names = countsBy(listening, ({ name }) => name)
  const inodes = countsBy(lines, ({ inode }) => inode)
  const accepted = countsBy(lines.filter(isIn(connected)), ({ name }) => name)
  const waiting = countsBy(lines.filter(isIn(connecting)), ({ name }) => name)
  const seen = new Set<number>()
  return listening.flatMap(({ inode, name }) => {
    if (seen.has(inode)) return []
    seen.add(inode)
    const isKnown = inodes.get(inode) === 1
    const isOnly = isKnown && names.get(name) === 1
    return [
      {
        inode,
        name: isKnown ? name : undefined,
        connections: isOnly ? (accepted.get(name) ?? 0) : undefined,
        waiting: isOnly ? (waiting.get(name) ?? 0) : undefined,
      },
    ]
  })
}

/** Nothing for a socket without a name, and for what is no line at all. */
function parseLine(text: string): Line[] {
  const [, flags = '', state = '', inode = '', name = ''] = pattern.exec(text) ?? []
  if (name === '') return []
  return [{ listens: (parseInt(flags, 16) & accepts) !== 0, state, inode: Number(inode), name }]
}

function isIn(state: string): (line: Line) => boolean {
  return (line) => !line.listens && line.state === state
}

function countsBy<Key>(lines: readonly Line[], keyOf: (line: Line) => Key): Map<Key, number> {
  const counts = new Map<Key, number>()
  for (const line of lines) counts.set(keyOf(line), (counts.get(keyOf(line)) ?? 0) + 1)
  return counts
}
