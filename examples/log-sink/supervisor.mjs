// Opens files that its worker may not open, and passes them to it.
//
//   sudo node examples/log-sink/supervisor.mjs /tmp/one.log /tmp/two.log
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { socketPair } from 'sluice'

const nobody = 65534
const paths = process.argv.slice(2)
const [mine, its] = socketPair('seqpacket')
const worker = spawn(process.execPath, [fileURLToPath(new URL('worker.mjs', import.meta.url))], {
  stdio: ['ignore', 'inherit', 'inherit', its.fd],
  // Only root can become somebody else.
  ...(process.geteuid() === 0 && { uid: nobody, gid: nobody }),
})
const exited = once(worker, 'exit')
its.close() // the child has inherited it

for (const path of paths) {
  const file = openSync(path, 'a', 0o600)
  await mine.send(Buffer.from(path), { fds: [file] })
  closeSync(file) // what was sent is on its way, whatever becomes of this one
}
mine.end()
mine.resume()
await exited
