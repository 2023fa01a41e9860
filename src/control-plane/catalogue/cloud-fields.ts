import type { BtarConfiguration, CloudConfiguration } from "../../contract/configuration.ts";
import { knownClouds, providerDescriptions } from "../../contract/known-clouds.ts";
import { type CloudPosition, distanceMeasure, providerOf, regionOf } from "../../domain/cloud.ts";

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

/** Names of the configured clouds, the nearest to one of them first; those of which no position is known are last. */
export function cloudsNearTo(configuration: BtarConfiguration, name: string): readonly string[] {
  const positions = new Map(configuration.clouds.map((cloud) => [cloud.name, positionOf(cloud)]));
  const from = positions.get(name);
  const distance = (cloud: string) => {
    const to = positions.get(cloud);
    return from && to ? distanceMeasure(from, to) : Number.MAX_VALUE;
  };
  return configuration.clouds.map((cloud) => cloud.name).toSorted((a, b) => distance(a) - distance(b));
}

function positionOf({ name, geo }: CloudConfiguration): CloudPosition | undefined {
  return geo ?? knownClouds[name];
}
