// Opens files, and has them read by a service that knows nothing of their names.
//
//   node examples/dbus/client.mjs /tmp/bus README.md package.json
import { closeSync, openSync } from 'node:fs'
import { busAt } from './bus.mjs'

const [path, ...files] = process.argv.slice(2)
const bus = await busAt(path)
const digests = await Promise.all(files.map(digestOf))
for (const [i, file] of files.entries()) console.log(`${digests[i]}  ${file}`)
bus.connection.end()

async function digestOf(file) {
  const fd = openSync(file)
  try {
    return await bus.invoke({
      destination: 'org.example.Digest',
      path: '/org/example/Digest',
      interface: 'org.example.Digest',
      member: 'Sha256',
      signature: 'h',
      body: [0], // the place among the descriptors
      fds: [fd],
    })
  } finally {
    closeSync(fd) // not before: dbus-native sends nothing until it is connected
  }
}
