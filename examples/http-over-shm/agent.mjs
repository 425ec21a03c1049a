import { Agent } from 'node:http'
import { connect } from 'sluice'

/** An agent whose connections lead to an address of sluice, whatever the URL says. */
export class SluiceAgent extends Agent {
  /** How many connections were made. */
  connections = 0
  #address

  constructor(address, options) {
    super(options)
    this.#address = address
  }

  createConnection(options, callback) {
    this.connections++
    connect(this.#address).then((connection) => callback(null, connection), callback)
  }
}
