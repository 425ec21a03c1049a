/** The locks on bytes of rings' memory, as the system lists them: they tell who holds the roles. */

/** The bytes that stand for the roles, in docs/ring-format.md. */
const roleBytes = { producer: 128, consumer: 256 } as const

export type Role = keyof typeof roleBytes

/** `major:minor:inode:byte`, as the system writes them. */
export type RoleLocks = ReadonlySet<string>

// As in `1: OFDLCK ADVISORY  WRITE -1 00:01:13801 256 256`.
const pattern =
  /\bOFDLCK\s+ADVISORY\s+WRITE\s+-?\d+\s+([0-9a-f]{2,8}:[0-9a-f]{2,8}:\d{1,20})\s+(\d{1,20})\s+(\d{1,20})$/

/** Of the text of /proc/locks, or of /proc/PID/fdinfo/N, which has those of one descriptor. */
export function parseRoleLocks(text: string): RoleLocks {
  const locks = new Set<string>()
  for (const line of text.split('\n')) {
    const [, file = '', first = '', last = ''] = pattern.exec(line) ?? []
    if (file !== '' && first === last) locks.add(`${file}:${first}`)
  }
  return locks
}

export function holdsRole(
  locks: RoleLocks,
  file: { readonly dev: bigint; readonly ino: bigint },
  role: Role,
): boolean {
  const device = `${hex(majorOf(file.dev))}:${hex(minorOf(file.dev))}`
  return locks.has(`${device}:${String(file.ino)}:${String(roleBytes[role])}`)
}

function hex(part: bigint): string {
  return part.toString(16).padStart(2, '0')
}

// As makedev(3) of Linux puts them together.
function majorOf(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
}

function minorOf(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
}
