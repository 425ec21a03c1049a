import { existsSync } from 'node:fs'

/** Whether the path is there; false, too, where a permission model does not let that be asked. */
export function exists(path: string): boolean {
  try {
    return existsSync(path)
  } catch {
    return false
  }
}
