import * as MemoryPeerGuard from "../../src/layers/MemoryPeerGuard.ts"
import { suite } from "../services/PeerGuardSuite.ts"

suite("PeerGuard in memory", MemoryPeerGuard.layer)
