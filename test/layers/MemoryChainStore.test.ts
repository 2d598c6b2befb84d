import * as MemoryChainStore from "../../src/layers/MemoryChainStore.ts"
import { chainStoreSuite } from "../services/ChainStoreSuite.ts"

chainStoreSuite("MemoryChainStore", MemoryChainStore.layer)
