import type { BtarConfiguration, CloudConfiguration } from "../../contract/configuration.ts";
import { knownClouds, providerDescriptions } from "../../contract/known-clouds.ts";
import { providerOf, regionOf } from "../../domain/cloud.ts";

/** A cloud as the API tells it: what the configuration says, else what is publicly known. */
export function cloudFields(cloud: CloudConfiguration) {
  const known = knownClouds[cloud.name];
  const provider = providerOf(cloud.name);
  const isLocal = provider === "local";
  return {
    cloud_name: cloud.name,
    cloud_description:
      cloud.description ?? known?.description ?? (isLocal ? `This machine: ${regionOf(cloud.name)}` : cloud.name),
    geo_latitude: cloud.geo?.latitude ?? known?.latitude ?? null,
    geo_longitude: cloud.geo?.longitude ?? known?.longitude ?? null,
    geo_region: cloud.geo?.region ?? known?.region ?? "",
    provider,
    provider_description: providerDescriptions[provider] ?? provider,
  };
}

/** The description of a cloud by its name, which stands for it if the cloud is no more configured. */
export function cloudDescription(configuration: BtarConfiguration, name: string): string {
  const cloud = configuration.clouds.find((configured) => configured.name === name);
  return cloud ? cloudFields(cloud).cloud_description : name;
}
