/** Windows' resources that this process holds, told by an addon that only the tests have. */
import { createRequire } from 'node:module'

interface Diagnostics {
  /** Counts. */
  processResources(): { handles: number; threads: number }
  /** How many there are of each kind of object. */
  openHandles(): Record<string, number>
}

// Built with the addon itself, see binding.gyp. It is loaded late: other systems do not have it.
let loaded: Diagnostics | undefined
function diagnostics(): Diagnostics {
  const require = createRequire(import.meta.url)
  loaded ??= require('../../build/Release/diagnostics/diagnostics.node') as Diagnostics
  return loaded
}

export const processResources: Diagnostics['processResources'] = () =>
  diagnostics().processResources()
export const openHandles: Diagnostics['openHandles'] = () => diagnostics().openHandles()
