/** Starting programs: whether there is such a one, and a failure at once when it does not start. */
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a command of this name would be found. */
export function hasProgram(name: string): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const endings = process.platform === 'win32' ? ['.exe', '.cmd'] : ['']
  return folders.some((folder) => endings.some((ending) => canRun(join(folder, name + ending))))
}

function canRun(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * The child that `spawn` returned, if there is a process behind it. Node tells of a program that
 * is not there by an event: a test that waits for the child's first word would not hear it.
 */
export function started<T extends ChildProcess>(child: T): T {
  if (child.pid !== undefined) return child
  child.on('error', () => undefined) // the event still comes
  const [program = ''] = child.spawnargs
  const reason = hasProgram(program) ? 'the system refused' : 'there is no such program'
  throw new Error(`'${program}' did not start: ${reason}`)
}
