import type { PlacedService } from "../rpc-types.ts";

export interface DirectoryRpc {
  /** Gives the code to the service if nobody else has it. Asking again for the same service is harmless. */
  claim(code: string, owner: PlacedService): Promise<boolean>;
  lookup(code: string): Promise<PlacedService | null>;
  /** Frees a code that the service has: another may claim it then. Harmless where it has not. */
  release(code: string, account: string, service: string): Promise<void>;
  /** The accounts of this object's codes. */
  owners(): Promise<string[]>;
}

/** An object of the same class that nothing else uses: it shows whether objects can write. */
export interface StorageCheckRpc {
  /** Writes one row. Rejects as any other object's writes would. */
  checkStorage(): Promise<void>;
}

/**
 * Whether there is an account: `unsure` where it may have been created before there was a register, and only its own
 * object can say.
 */
export type AccountStanding = "known" | "unknown" | "unsure";

/** The register of accounts, an object of the same class. */
export interface AccountRegisterRpc {
  /** Harmless where it is registered. @param isNew whether the account is only being created */
  registerAccount(name: string, isNew: boolean): Promise<void>;
  accountStanding(name: string): Promise<AccountStanding>;
}
