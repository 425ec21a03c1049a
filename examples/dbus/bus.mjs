import dbus from 'dbus-native'
import { connectUnix } from 'sluice'

/** A client of the bus at this socket that passes descriptors, which Node's own sockets do not. */
export async function busAt(path) {
  return dbus.createClient({ stream: passing(await connectUnix(path)) })
}

/**
 * The connection as dbus-native asks for it. Its event `'fds'`, just before the bytes that the descriptors
 * came with, is there already.
 */
function passing(connection) {
  return Object.assign(connection, {
    writeWithFds(bytes, fds) {
      connection.send(bytes, { fds }).catch((error) => connection.destroy(error))
      return !connection.writableNeedDrain
    },
    /** Those that came and that no message asked for. */
    closeFds(fds) {
      for (const fd of fds) fd.close()
    },
  })
}
