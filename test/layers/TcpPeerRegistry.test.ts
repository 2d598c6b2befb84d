import { it } from "@effect/vitest"
import { suite } from "../services/PeerRegistrySuite.ts"
import { tcp } from "../support/ScriptedPeers.ts"

suite("PeerRegistry over TCP", tcp, it.live)
