// How a TypeScript program in CommonJS uses the installed package.
import sluice = require('sluice')

const ring: sluice.Ring = sluice.Ring.anonymous({ capacity: 4096 })

export const copy: Buffer | undefined = ring.consumer().tryRead()
export const options: sluice.WaitOptions = { timeout: 10 }

// @ts-expect-error -- the types are there, and not `any`
sluice.Ring.anonymous({ capacity: '4096' })
