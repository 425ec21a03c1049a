// Asks what is never answered. Kill the server, and see what becomes of the question.
//
//   node examples/request-answer/wait.mjs pipe:answers
import { connect } from 'sluice'
import { Calls } from './calls.mjs'

const server = new Calls(await connect(process.argv[2] ?? 'pipe:answers'))
const answer = server.ask({ name: 'never' }, { timeout: 3_600_000 })
// The server has the first question when it answers the second.
await server.ask({ name: 'add', values: [] })
console.log('asked')
await answer.catch((error) => console.log(`no: ${error.message}`))
