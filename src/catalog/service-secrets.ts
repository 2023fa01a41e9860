import { openSecret, sealSecret } from "../platform/secret-box.ts";
import type { ServiceSecrets } from "./schema.ts";

/** Seals a service's secrets for its row. */
export function sealServiceSecrets(masterKey: Uint8Array, serviceId: string, secrets: ServiceSecrets): string {
  return sealSecret(masterKey, serviceSecretsPurpose(serviceId), JSON.stringify(secrets));
}

/** @throws {BtarError} KEY_UNAVAILABLE when the row was sealed with another master key */
export function openServiceSecrets(masterKey: Uint8Array, serviceId: string, sealed: string): ServiceSecrets {
  // Sealed by btar with this service's purpose: authentic, so its shape is what was sealed.
  return JSON.parse(openSecret(masterKey, serviceSecretsPurpose(serviceId), sealed)) as ServiceSecrets;
}

/** Whose password it is: it only opens there. */
export interface UserOfService {
  readonly serviceId: string;
  readonly name: string;
}

export function sealUserPassword(masterKey: Uint8Array, user: UserOfService, password: string): string {
  return sealSecret(masterKey, userPasswordPurpose(user), password);
}

/** @throws {BtarError} KEY_UNAVAILABLE */
export function openUserPassword(masterKey: Uint8Array, user: UserOfService, sealed: string): string {
  return openSecret(masterKey, userPasswordPurpose(user), sealed);
}

/** Seals the private key of a project's authority. */
export function sealAuthorityKey(masterKey: Uint8Array, project: string, privateKey: string): string {
  return sealSecret(masterKey, authorityKeyPurpose(project), privateKey);
}

/** @throws {BtarError} KEY_UNAVAILABLE */
export function openAuthorityKey(masterKey: Uint8Array, project: string, sealed: string): string {
  return openSecret(masterKey, authorityKeyPurpose(project), sealed);
}

/** What each secret is sealed for: it opens nowhere else. */
export function serviceSecretsPurpose(serviceId: string): string {
  return `service-secrets ${serviceId}`;
}

export function userPasswordPurpose({ serviceId, name }: UserOfService): string {
  return `service-user ${serviceId} ${name}`;
}

export function authorityKeyPurpose(project: string): string {
  return `project-ca ${project}`;
}
