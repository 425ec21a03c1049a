/** One `listen` and one `connect` over every transport, and connections of messages. */
export type { MessageConnection } from './messages.js'
