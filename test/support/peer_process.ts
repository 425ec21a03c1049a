/** Stands in for what the system says, or does not say, of the other end of a pipe. */
import { onTestFinished } from 'vitest'

import { native, type PipeHandle } from '../../lib/pipe/native.js'
import { underWine } from './platform.js'

/** Ends of pipes that are made by this test from now on have these methods in place of their own. */
export function replacePipeMethods(methods: (self: PipeHandle) => Partial<PipeHandle>): void {
  const Original = native.PipeHandle
  native.PipeHandle = new Proxy(Original, {
    construct(target, args) {
      const handle = Reflect.construct(target, args) as PipeHandle
      for (const [name, value] of Object.entries(methods(handle))) {
        Object.defineProperty(handle, name, { value })
      }
      return handle
    },
  })
  onTestFinished(() => {
    native.PipeHandle = Original
  })
}

/** Wine does not tell which process is at the other end of a pipe: a test there has to say it. */
export function peerIsProcess(pid: () => number): void {
  if (underWine) replacePipeMethods(() => ({ process: () => ({ pid: pid(), sessionId: 1 }) }))
}
