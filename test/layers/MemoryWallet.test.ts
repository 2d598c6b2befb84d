import * as MemoryWallet from "../../src/layers/MemoryWallet.ts"
import { walletSuite } from "../services/WalletSuite.ts"

walletSuite("MemoryWallet", MemoryWallet.layer)
