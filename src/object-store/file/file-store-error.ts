import { constants } from "node:os";
import { BtarError, type ErrorCode } from "../../domain/errors.ts";
import { isErrno } from "../../platform/errno.ts";

/**
 * Says in the words of `ObjectStore` what a failed system call means.
 * @param doing what the store was about, such as `cannot store a/b`
 * @returns errors of btar's own as they are
 */
export function fileStoreError(error: unknown, store: { readonly url: string; readonly doing: string }): BtarError {
  if (error instanceof BtarError) return error;
  const { code, hint } = meaningOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new BtarError(code, { message: `${store.url} ${store.doing}: ${reason}`, hint, cause: error });
}

/** The error of a store whose directory, or a part of it that the store cannot do without, is not there. */
export function storeGone(url: string, what: string): BtarError {
  return new BtarError("STORE_UNREACHABLE", {
    message: `the store at ${url} is gone or was never set up: ${what}`,
    hint: "mount its disk or put its directory back; it is never made anew where it was in use",
  });
}

function meaningOf(error: unknown): { readonly code: ErrorCode; readonly hint: string } {
  if (isErrno(error, "ENOSPC") || isQuotaExceeded(error)) {
    return { code: "STORE_FULL", hint: "make room on its file system, or raise its quota" };
  }
  if (isErrno(error, "EPERM") && error instanceof Error && "syscall" in error && error.syscall === "link") {
    return { code: "STORE_REFUSED", hint: "the store must be on a file system with hard links" };
  }
  if (isErrno(error, "EACCES", "EPERM", "EROFS")) {
    return { code: "STORE_REFUSED", hint: "give the user that btar runs as the right to read and write there" };
  }
  return { code: "STORE_UNREACHABLE", hint: "check the disk or mount that holds the store" };
}

/** Node.js has no name for EDQUOT, only its number. */
function isQuotaExceeded(error: unknown): boolean {
  return error instanceof Error && "errno" in error && error.errno === -constants.errno.EDQUOT;
}
