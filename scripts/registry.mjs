// A registry of packages on the loopback, for check-lockfiles.mjs, which starts it as a child process:
// verdaccio, which takes the packages it does not have from the registry that npm is set to.
//
//   registry.mjs <verdaccio's entry> <storage folder> <registry>    sends its port to its parent
import { createRequire } from 'node:module'
import path from 'node:path'

const [verdaccio, storage, registry] = process.argv.slice(2)
const { runServer } = createRequire(import.meta.url)(verdaccio)

const server = await runServer({
  configPath: path.join(storage, 'config.yaml'),
  storage,
  uplinks: { others: { url: registry } },
  packages: {
    sluice: { access: '$all', publish: '$all' },
    '**': { access: '$all', proxy: 'others' },
  },
  log: { type: 'stdout', level: 'error' },
})
server.listen(0, '127.0.0.1', () => process.send(server.address().port))

// Its parent has ended, or wants it to.
process.once('disconnect', () => process.exit())
