import type { Server as NodeServer, Socket } from 'node:net'

import type { Acceptor, AcceptorEvents } from '../transport/acceptor.js'
import type { Connection } from '../transport/connection.js'
import { tcpConnection, type TcpConnectionOptions } from './tcp_connection.js'
import { tcpError } from './tcp_errors.js'

/** Brings the connections of a server of Node's, which accepts all that come. */
export class TcpAcceptor implements Acceptor<Connection> {
  readonly poolSize = 16
  readonly takesAhead = false // they are held here, paused, and asked nothing
  readonly #server: NodeServer
  readonly #options: Readonly<TcpConnectionOptions>
  readonly #mostHeld: number
  readonly #held: Socket[] = []
  #events: AcceptorEvents<Connection> | undefined
  #wanted = 0
  #handing: NodeJS.Immediate | undefined
  #ref = true

  /** `mostHeld`: of those that come while so many wait, each is closed at once. */
  constructor(server: NodeServer, options: Readonly<TcpConnectionOptions>, mostHeld: number) {
    this.#server = server
    this.#options = options
    this.#mostHeld = mostHeld
    server.on('connection', (socket: Socket) => {
      this.#arrived(socket)
    })
    server.on('error', (error) => {
      this.#events?.stalled(tcpError('cannot accept a connection for now', error))
    })
  }

  attach(events: AcceptorEvents<Connection>): void {
    this.#events = events
  }

  get ref(): boolean {
    return this.#ref
  }

  set ref(ref: boolean) {
    this.#ref = ref
    if (ref) this.#server.ref()
    else this.#server.unref()
  }

  welcome(count: number): void {
    this.#wanted = count
    if (count > 0 && this.#held.length > 0) this.#handOutLater()
  }

  acceptNow(count: number): void {
    this.#wanted = count
    while (this.#wanted > 0 && this.#server.listening) {
      const socket = this.#held.shift()
      if (socket === undefined) return
      this.#wanted-- // the server says anew how many it wants
      socket.removeAllListeners('error')
      this.#events?.arrived(tcpConnection(socket, this.#options))
    }
  }

  close(): void {
    clearImmediate(this.#handing)
    this.#server.close()
    for (const socket of this.#held.splice(0)) socket.destroy()
  }

  #arrived(socket: Socket): void {
    if (this.#held.length >= this.#mostHeld) {
      socket.destroy()
      return
    }
    // An error of one that waits here is told when it is used.
    socket.on('error', ignore)
    this.#held.push(socket)
    if (this.#wanted > 0) this.acceptNow(this.#wanted)
  }

  /** Not at once: the server asks in the middle of other things. */
  #handOutLater(): void {
    this.#handing ??= setImmediate(() => {
      this.#handing = undefined
      this.acceptNow(this.#wanted)
    })
  }
}

function ignore(): void {
  // see above
}
