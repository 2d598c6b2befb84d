import { describe } from "@effect/vitest"
import * as MemoryMasternodeRegistry from "../../src/layers/MemoryMasternodeRegistry.ts"
import { activitySuite } from "../services/MasternodeActivitySuite.ts"
import { suite } from "../services/MasternodeRegistrySuite.ts"

describe("MemoryMasternodeRegistry", () => {
  suite(MemoryMasternodeRegistry.layer)
  activitySuite(MemoryMasternodeRegistry.layer)
})
