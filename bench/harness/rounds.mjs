// Measures the participants of a scenario in turns (A B C A B C ...), so that what the machine
// does beside it falls on all of them alike.

/** Resolves with the scenario, the machine's state in each round, and each participant's samples, or the reason why it has none. */
export async function runScenario(scenario, settings, showProgress) {
  const window = windowOf(scenario, settings)
  const measured = [...(scenario.machine ? [scenario.machine] : []), ...scenario.participants]
  const participants = measured.map((participant) => ({
    value: scenario.value,
    ...participant,
    samples: [],
    reason: undefined,
  }))
  for (let round = 1; round <= settings.rounds; round++) {
    for (const participant of participants) {
      showProgress(`${scenario.title}: round ${round} of ${settings.rounds}, ${participant.label}`)
      // What cannot run once is not tried again.
      if (participant.reason !== undefined) continue
      try {
        const { count, seconds, ...more } = await participant.run(window)
        const raw = { count, seconds, ...more }
        participant.samples.push({ round, value: participant.value(raw), ...raw })
      } catch (error) {
        participant.reason = reasonOf(error)
      }
    }
  }
  showProgress('')
  const machine = scenario.machine ? participants.shift() : undefined
  return { scenario, machine, participants }
}

/** Some scenarios need a `longer` measurement, some are `warmer` before they run at their speed. */
function windowOf({ longer = 1, warmer = 1 }, { warmUpMs, measureMs }) {
  return { warmUpMs: warmUpMs * warmer, measureMs: measureMs * longer }
}

function reasonOf(error) {
  const missing = /Cannot find (?:package|module) '([^']+)'/.exec(error.message)
  return missing === null ? error.message : `${missing[1]} is not installed`
}

/** The same for two builds (A B A B ...): the samples of what a row is about, with each of them. */
export async function runRow(scenario, row, settings, agents, showProgress) {
  const window = windowOf(scenario, settings)
  const request = { scenario: scenario.id, participant: row.figure, pin: settings.pin, window }
  const sides = Object.fromEntries(Object.keys(agents).map((name) => [name, { samples: [] }]))
  for (let round = 1; round <= settings.rounds; round++) {
    for (const [name, agent] of Object.entries(agents)) {
      showProgress(`${row.title}: round ${round} of ${settings.rounds}, ${name}`)
      if (sides[name].reason !== undefined) continue
      const { value, reason } = await agent.measure(request)
      if (reason === undefined) sides[name].samples.push({ round, value })
      else sides[name].reason = reason
    }
  }
  showProgress('')
  return { scenario, row, sides }
}
