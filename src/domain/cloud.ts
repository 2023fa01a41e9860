import { BtarError } from "./errors.ts";

const cloudName = /^[a-z0-9]+-[a-z0-9-]{1,200}$/;

/** Whether a text can name a cloud: `PROVIDER-REGION`, lower case. */
export function isCloudName(text: string): boolean {
  return cloudName.test(text);
}

/** The provider of a cloud: what stands before the first `-`. */
export function providerOf(cloud: string): string {
  return cloud.slice(0, cloud.indexOf("-"));
}

/** The provider's own name of the region: what stands after the first `-`. */
export function regionOf(cloud: string): string {
  return cloud.slice(cloud.indexOf("-") + 1);
}

/** Where a cloud is, degrees. */
export interface CloudPosition {
  readonly latitude: number;
  readonly longitude: number;
}

/** A measure of how far two clouds are apart, which grows with the distance. */
export function distanceMeasure(a: CloudPosition, b: CloudPosition): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const [height, width] = [radians(b.latitude - a.latitude), radians(b.longitude - a.longitude)];
  const parallels = Math.cos(radians(a.latitude)) * Math.cos(radians(b.latitude));
  return Math.sin(height / 2) ** 2 + parallels * Math.sin(width / 2) ** 2;
}

/**
 * Checks the clouds that a service's backup is to be copied to (E3, E4).
 * @throws {BtarError} INVALID_BACKUP_REGION, saying which rule was broken and which clouds would do
 */
export function checkBackupRegions(request: {
  readonly wanted: readonly string[];
  readonly primary: string;
  /** In the order in which they are proposed. */
  readonly configured: readonly string[];
  readonly maxRegions: number;
}): void {
  const { wanted, primary, configured, maxRegions } = request;
  const usable = configured.filter((cloud) => cloud !== primary && providerOf(cloud) === providerOf(primary));
  const hint =
    usable.length > 0
      ? `clouds that would do: ${usable.join(", ")}`
      : `no other cloud of provider ${providerOf(primary)} is configured; add one to the configuration`;
  const refuse = (message: string) => new BtarError("INVALID_BACKUP_REGION", { message, hint, details: { usable } });
  if (wanted.length > maxRegions) {
    throw refuse(
      `Invalid 'user_config' additional_backup_regions: ${wanted.length} clouds, at most ${maxRegions} are allowed`,
    );
  }
  for (const [index, cloud] of wanted.entries()) {
    const subject = `Invalid 'user_config' additional_backup_regions '${cloud}'`;
    if (!configured.includes(cloud)) throw refuse(`${subject}: there is no such cloud`);
    if (cloud === primary) throw refuse(`${subject}: it holds the primary backup already`);
    if (providerOf(cloud) !== providerOf(primary)) {
      throw refuse(`${subject}: it is of provider ${providerOf(cloud)}, the primary backup is in ${primary}`);
    }
    if (wanted.indexOf(cloud) !== index) throw refuse(`${subject}: it is named twice`);
  }
}
