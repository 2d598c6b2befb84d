import { assert, describe, it } from "@effect/vitest"
import { answers, Exchange, type Request, requestTags, type Respondent } from "../../src/protocol/Exchange.ts"

const agents = ["timed", "timenode"] as const
const directions = ["inbound", "outbound"] as const

describe("who answers what", () => {
  // What a peer never answers is not asked of it: the question would cost its whole timeout.
  for (const tag of requestTags) {
    const { answeredBy } = Exchange[tag]
    it(`${tag}: ${answeredBy}`, () => {
      const request = { _tag: tag } as Request
      const respondents = agents.flatMap((agent) => directions.map((direction): Respondent => ({ agent, direction })))
      const verdicts = respondents.map((respondent) => answers(respondent, request))
      const [dialler, acceptor] = { everyone: [true, true], accepting: [false, true], timenode: [false, false] }[
        answeredBy
      ] as [boolean, boolean]
      assert.deepStrictEqual(verdicts, [dialler, acceptor, true, true])
    })
  }
})
