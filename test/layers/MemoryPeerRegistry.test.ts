import { it } from "@effect/vitest"
import { suite } from "../services/PeerRegistrySuite.ts"
import { memory } from "../support/ScriptedPeers.ts"

suite("PeerRegistry in memory", memory, it.effect)
