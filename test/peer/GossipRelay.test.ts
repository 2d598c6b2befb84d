import { describe } from "@effect/vitest"
import * as GossipRelay from "../../src/peer/GossipRelay.ts"
import { suite } from "../services/GossipSuite.ts"

describe("GossipRelay", () => {
  suite(GossipRelay.layer)
})
