import { BtarError, describeError } from "../../domain/errors.ts";

/** What nodemailer adds to its errors. */
interface SmtpError {
  readonly code?: string;
  /** Of the system or of TLS. */
  readonly originalCode?: string;
  /** Of the server's answer, where there is one. */
  readonly responseCode?: number;
}

/**
 * Why a mail was not taken, and what to do.
 * @param server `HOST:PORT`
 */
export function mailFailure(server: string, cause: unknown): BtarError {
  const { code, originalCode = "", responseCode } = (cause instanceof Error ? cause : {}) as SmtpError;
  const reason = describeError(cause).split("; if the root CA")[0] ?? "";
  const failure = (message: string, hint?: string) =>
    new BtarError("SERVER_UNREACHABLE", { message: `${server} ${message}`, ...(hint ? { hint } : {}), cause });
  if (originalCode === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return failure(`has a certificate of another name: ${reason}`, "name it in notifications.smtp.url as that does");
  }
  if (/CERT|SIGNATURE|ISSUER/.test(originalCode)) {
    return failure(
      `has a certificate that is not trusted: ${reason}`,
      "start btar with NODE_EXTRA_CA_CERTS=FILE, the certificate of its authority",
    );
  }
  if (originalCode.startsWith("ERR_SSL_")) {
    return failure("does not begin with TLS", "give smtp://HOST:PORT, for STARTTLS");
  }
  if (code === "ETLS") {
    return failure(
      `could not be talked to over TLS: ${reason}`,
      "mail leaves this machine over TLS only: let the server offer STARTTLS, or give smtps://HOST:PORT",
    );
  }
  if (responseCode !== undefined) {
    return new BtarError("SERVER_REFUSED", { message: `${server} refused the mail: ${reason}`, cause });
  }
  const isSilent = reason === "Greeting never received";
  return failure(`could not be used: ${reason}`, isSilent ? "where TLS is spoken at once, give smtps://" : undefined);
}
