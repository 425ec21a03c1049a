// A service on D-Bus that reads files which its callers have opened. The bus must pass descriptors, as
// dbus-daemon does.
//
//   npm install dbus-native
//   dbus-daemon --session --address=unix:path=/tmp/bus --nofork &
//   node examples/dbus/service.mjs /tmp/bus
//   node examples/dbus/client.mjs /tmp/bus README.md
import { createHash } from 'node:crypto'
import { pipeline } from 'node:stream/promises'
import { busAt } from './bus.mjs'

const bus = await busAt(process.argv[2])
const digest = {
  name: 'org.example.Digest',
  methods: { Sha256: ['h', 's', ['file'], ['digest']] },
}
const implementation = {
  // The argument is the descriptor's place among those of the message.
  async Sha256(place, { fds = [] }) {
    try {
      if (fds[place] === undefined) throw new Error('the descriptor is missing')
      const hash = createHash('sha256')
      await pipeline(fds[place].toReadStream(), hash)
      return hash.digest('hex')
    } finally {
      for (const fd of fds) fd.close()
    }
  },
}
bus.exportInterface(implementation, '/org/example/Digest', digest)
await bus.requestName(digest.name, 0)
console.log('serving')
