/** The mounts of a process: those of containers and of confined services differ from ours. */
import { ifThere, readText } from './proc.js'

const longestList = 2 ** 22
/** Fields of a line before the optional ones, which end with a `-`. */
const fixedFields = 6

/** Tells the mounts where the process's memory lies, by their numbers. Looks at them when it is first asked. */
export function memoryMountsOf(
  pid: number,
  nameless: string | undefined,
): (mount: string) => boolean {
  let named: ReadonlySet<string> | undefined
  return (mount) => {
    if (mount === nameless) return true
    named ??= tmpfsMounts(
      ifThere(() => readText(`/proc/${String(pid)}/mountinfo`, longestList)) ?? '',
    )
    return named.has(mount)
  }
}

/** The numbers of the mounts in the text of /proc/PID/mountinfo, in which spaces in names are escaped. */
export function tmpfsMounts(text: string): ReadonlySet<string> {
  const mounts = new Set<string>()
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    const end = fields.indexOf('-', fixedFields)
    const [mount = ''] = fields
    if (end > 0 && fields[end + 1] === 'tmpfs' && /^\d+$/.test(mount)) mounts.add(mount)
  }
  return mounts
}
