// Writes into files that it could not open. Its descriptor 3 is the socket of its supervisor.
import { once } from 'node:events'
import { UnixConnection } from 'sluice'

const supervisor = UnixConnection.fromFd(3)
for (;;) {
  const message = await supervisor.receive()
  if (message === undefined) break
  const [file] = message.fds
  const log = file.toWriteStream()
  log.end(`written by user ${process.getuid()}\n`)
  await once(log, 'close')
  console.log(`worker: wrote into ${message.data}`)
}
